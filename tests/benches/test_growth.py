"""That tables that were printed are read back, and are drawn the same each time. It takes a few
seconds, and tests/benches/run --growth runs it first."""
import importlib.util
import os
import tempfile
import unittest

from growth import VALUES, draw, read_report, report
from processes import BenchError

FOUND = {
    dimension: {value: (30.5 + place, 31000.0, 40.0 + place) for place, value in enumerate(values)}
    for dimension, values in VALUES.items()
}


class Tables(unittest.TestCase):
    def test_what_was_printed_is_read(self):
        self.assertEqual(read_report("before\n\n" + report(FOUND) + "\n\nafter | that\n"), FOUND)

    def test_a_part_of_them_is_read(self):
        part = {"routes": FOUND["routes"]}
        self.assertEqual(read_report(report(part)), part)

    def test_a_file_without_tables_is_an_error(self):
        for text in ("", "| case | CPU us/item |\n| a | 1 |\n", report(FOUND).splitlines()[0]):
            with self.assertRaisesRegex(BenchError, "no tables"):
                read_report(text)


@unittest.skipUnless(importlib.util.find_spec("matplotlib"), "matplotlib is installed only to draw")
class Drawing(unittest.TestCase):
    def test_the_same_figures_are_the_same_small_picture(self):
        for found in (FOUND, {"targets": FOUND["targets"]}):
            first, second = drawn(found), drawn(found)
            self.assertEqual(first, second)
            self.assertLess(len(first), 60 << 10)
            self.assertNotIn("DejaVu", first)
            self.assertIn(">50</text>", first)


def drawn(found):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "growth.svg")
        draw(found, path)
        with open(path, encoding="utf-8") as file:
            return file.read()


if __name__ == "__main__":
    unittest.main()
