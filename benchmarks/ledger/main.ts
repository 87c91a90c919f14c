/**
 * `npm run ledger`: recomputes every prediction, prints the table, and fails if docs/ledger.json or docs/evidence.md states what is no longer true.
 *
 *   npm run ledger               check        npm run ledger -- --write    rewrite both
 *
 * Not here: the rows (rows.ts and its neighbours), the comparison (check.ts), the page's sections (page.ts).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { problemsOf, stateLedger, type Ledger } from './check.js';
import { evidencePath, ledgerPath, pageProblems, renderPage } from './page.js';
import { apart, rows } from './rows.js';

const main = (args: readonly string[]): number => {
  const wrong = args.find((arg) => arg !== '--write');
  if (wrong !== undefined) {
    console.error(`usage: npm run ledger [-- --write]; there is no ${wrong}`);
    return 2;
  }
  const now = stateLedger(rows, apart);
  const width = Math.max(...now.rows.map(({ id }) => id.length));
  for (const row of now.rows) {
    const published = typeof row.published === 'number' ? row.published : row.published.join('…');
    console.log(`${row.id.padEnd(width)}  ${row.calibration ? 'fit ' : 'held'}  published ${row.relation === 'at least' ? '≥ ' : ''}${published}  predicted ${row.predicted} ${row.unit}  ${row.errorPercent} %`);
  }
  if (args.includes('--write')) {
    writeFileSync(ledgerPath, `${JSON.stringify(now, null, 2)}\n`);
    writeFileSync(evidencePath, renderPage(readFileSync(evidencePath, 'utf8'), now));
    console.log(`${now.rows.length} rows and ${now.apart.length} apart written`);
    return 0;
  }
  const problems = [...problemsOf(JSON.parse(readFileSync(ledgerPath, 'utf8')) as Ledger, now), ...pageProblems(readFileSync(evidencePath, 'utf8'), now)];
  for (const problem of problems) console.error(problem);
  console.log(problems.length === 0 ? `${now.rows.length} rows hold` : `${problems.length} statements are no longer true; if the model is right, \`npm run ledger -- --write\``);
  return problems.length === 0 ? 0 : 1;
};

process.exitCode = main(process.argv.slice(2));
