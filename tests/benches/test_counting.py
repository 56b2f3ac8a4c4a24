"""That a count above what is kept is found, and what is said about it. Takes no time: tests/benches/instructions runs it first."""
import io
import unittest

import callgrind
from kept_counts import compare, lowest, table, verdict
from processes import BenchError

KEPT = {"json-100": {"total": 40000, "parse": 4000, "log": 80}}

# As callgrind writes it with --compress-strings=no and --compress-pos=no. `a` calls `b` from two places, and `b` itself.
FILE = """\
events: Ir
fl=x.rs
fn=a::h0123456789abcdef
10 5
cfi=y.rs
cfn=b::{{closure}}
calls=2 20
11 300
12 7
cfn=b::{{closure}}
calls=1 20
13 100
fn=b::{{closure}}
20 360
cfn=b::{{closure}}
calls=4 20
21 40
totals: 412
"""


def counted(**phases):
    return {"json-100": {**KEPT["json-100"], **phases}}


class Comparing(unittest.TestCase):
    def test_the_same_is_fine(self):
        self.assertEqual(verdict(KEPT, KEPT), (True, []))

    def test_five_percent_more_is_fine_and_six_is_not(self):
        self.assertEqual(compare(KEPT, counted(total=42000, parse=4200)), ([], []))
        fine, lines = verdict(KEPT, counted(parse=4240))
        self.assertFalse(fine)
        self.assertIn("json-100, parse: 4240 instructions per item instead of 4000 (+6.0 %)", "\n".join(lines))
        self.assertIn("tests/benches/instructions --keep", lines[-1])

    def test_a_case_can_be_worse_although_no_phase_is(self):
        worse, _ = compare(KEPT, counted(total=42400))
        self.assertEqual(worse, ["json-100, total: 42400 instructions per item instead of 40000 (+6.0 %)"])

    def test_a_small_phase_is_shown_only(self):
        self.assertEqual(compare(KEPT, counted(log=160)), ([], []))
        self.assertIn("+100.0 %  (small: not judged)", table(KEPT, counted(log=160)))

    def test_less_is_fine_and_gives_a_hint(self):
        fine, lines = verdict(KEPT, counted(parse=3700))
        self.assertTrue(fine)
        self.assertIn("parse: 3700 instructions per item instead of 4000 (-7.5 %)", lines[1])
        self.assertIn("tests/benches/instructions --keep", lines[-1])

    def test_what_only_one_side_has_is_not_passed_over(self):
        self.assertEqual(compare(KEPT, counted(plan=1))[0], ["json-100, plan: is not in the kept file"])
        gone = [f"json-100, {phase}: is in the kept file and was not counted" for phase in KEPT["json-100"]]
        self.assertEqual(compare(KEPT, {})[0], gone)

    def test_the_lowest_of_several_rounds_counts(self):
        self.assertEqual(lowest([counted(parse=4100), counted(total=41000)]), KEPT)


class Reading(unittest.TestCase):
    def setUp(self):
        self.counts = callgrind.Counts(io.StringIO(FILE))

    def test_a_function_costs_what_its_callers_pay(self):
        self.assertEqual((self.counts.total, self.counts.of(r"b::\{\{closure\}\}")), (412, 400))

    def test_a_function_that_is_not_there_is_an_error(self):
        with self.assertRaisesRegex(BenchError, "no call of b::gone"):
            self.counts.of("b::gone")


if __name__ == "__main__":
    unittest.main()
