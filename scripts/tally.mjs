/**
 * Prints how many checks and tests of the last `npm test` passed, "N passed, M failed":
 *
 *   node scripts/tally.mjs STATUS   the exit code that `npm test` ended with
 *
 * A report that is not there, or a test file that could not run, counts as a failure; so does an exit code other than 0
 * that no report explains (a browser that did not start).
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
const passed = parts.reduce((sum, part) => sum + part.passed, 0);
const reported = parts.reduce((sum, part) => sum + part.failed, 0);
const failed = Math.max(reported, process.argv[2] === "0" ? 0 : 1);
console.log(`${passed} passed, ${failed} failed`);
if (failed > 0) process.exitCode = 1;
