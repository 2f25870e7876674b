// Adds up vitest's JSON reports, in the line that CI reads; a skipped test is a failure here.
import { readFileSync } from 'node:fs'

const reports = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, 'utf8')))
const sum = (name) => reports.reduce((total, report) => total + report[name], 0)
const tests = reports.flatMap((report) => report.testResults.flatMap((file) => file.assertionResults))
const skipped = tests.filter((test) => test.status !== 'passed' && test.status !== 'failed')
for (const test of skipped) console.log(`skipped: ${test.fullName}`)
console.log(`${sum('numPassedTests')} passed, ${sum('numFailedTests') + skipped.length} failed`)
process.exitCode = sum('numFailedTests') + skipped.length === 0 && sum('numPassedTests') > 0 ? 0 : 1
