# SPDX-License-Identifier: Apache-2.0
"""`make check`: one module for each family of rules, and `run` over them all."""

from __future__ import annotations

from scripts.series.check.problem import Problem, Rule, Severity
from scripts.series.check.run import Report, check, main

__all__ = ["Problem", "Report", "Rule", "Severity", "check", "main"]
