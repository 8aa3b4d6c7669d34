"""Programs that measure Skylark and print ratios of one run; RESULTS.md keeps what they printed."""

import sys
from pathlib import Path

# `lambda` is a keyword: what is in that folder is imported by its own name, as in AWS.
sys.path.append(str(Path(__file__).parents[1] / "lambda"))
