"""The servers of a benchmark: nginx and gateways, from the files in `templates`, in a private folder."""
import os
import shutil
import string
import tempfile

from processes import Process

HERE = os.path.dirname(os.path.abspath(__file__))


class Servers:
    """Processes, their folder and their ports. Ends them and removes the folder in `stop`."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="batchgate-bench-")
        os.chmod(self.folder, 0o755)  # nginx's workers have another user if root starts it.
        self.processes = {}
        self.ports = {}

    def start_nginx(self, name, **values):
        self.fill_template(f"{name.removeprefix('nginx-')}.nginx.conf", f"{name}/nginx.conf", values)
        folder = os.path.join(self.folder, name)
        arguments = ["nginx", "-e", "stderr", "-p", folder + "/", "-c", os.path.join(folder, "nginx.conf")]
        self.processes[name] = Process(name, arguments, folder)
        return self.processes[name]

    def fill_template(self, template, file, values):
        with open(os.path.join(HERE, "templates", template + ".template")) as source:
            self.write(file, string.Template(source.read()).substitute(values).encode())

    def write(self, file, content):
        path = os.path.join(self.folder, file)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as target:
            target.write(content)
        return path

    def stop(self):
        for process in reversed(self.processes.values()):
            process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
