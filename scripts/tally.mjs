/**
 * Prints how many checks and tests of the last `npm test` passed: "N passed, M failed".
 *
 * A report that is not there, or a test file that could not run, counts as a failure.
 */
import { existsSync } from "node:fs";
import { at, readJson } from "./paths.mjs";

const CHECKS = "build/reports/checks.json";
const TESTS = "build/reports/tests.json";
const ABSENT = { passed: 0, failed: 1 };

function tallyChecks() {
  if (!existsSync(at(CHECKS))) return ABSENT;
  const results = readJson(CHECKS);
  const passed = results.filter((result) => result.passed).length;
  return { passed, failed: results.length - passed };
}

function tallyTests() {
  if (!existsSync(at(TESTS))) return ABSENT;
  const { numPassedTests, numFailedTests, testResults, success } = readJson(TESTS);
  const brokenFiles = testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
  const failed = numFailedTests + brokenFiles.length;
  return { passed: numPassedTests, failed: success ? failed : Math.max(failed, 1) };
}

const parts = [tallyChecks(), tallyTests()];
const sum = (key) => parts.reduce((total, part) => total + part[key], 0);
console.log(`${sum("passed")} passed, ${sum("failed")} failed`);
if (sum("failed") > 0) process.exitCode = 1;
