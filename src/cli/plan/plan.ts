/** `waferstream plan`: a model on a cluster, counted and priced without being run. Not here: plans (plan/), prices (timing/), words (text.ts). */
import { spansOf } from '../../index.js';
import { basename, dirname, extname, join } from 'node:path';
import { chromeTrace } from '../../report/chrome-trace.js';
import { curveCsv, passesCsv } from '../../report/csv.js';
import { planJson } from '../json/plan.js';
import { sayJson, type BodyOf } from '../json/say.js';
import type { Options } from '../options.js';
import { print } from '../progress.js';
import { checkFilePlace, writeReport, writeText } from '../report.js';
import { checkCurves, curvesOf, type Curves } from './curves.js';
import { machineOfOptions, planJobOf, priced, type PlanJob, type Priced } from './job.js';
import { textOfCurves, textOfPlan } from './text.js';

/** Plain data of a plan: all but its work by pass. */
const bodyOf = ({ kind }: PlanJob, { plan, price }: Priced): BodyOf<typeof planJson.schema> => {
  const { work: { model, numCsx, samples, tokens, steps }, ...placed } = plan, { passes: _, ...summed } = price;
  return { type: 'plan', kind, model, numCsx, samples, tokens, steps, ...placed, price: summed };
};

/** `plan.csv` → `plan.sparsity.csv` */
const besideOf = (file: string, what: string): string => join(dirname(file), `${basename(file, extname(file))}.${what}.csv`);

/** The passes, and curves in files beside them. */
const writeTables = async (file: string, { price }: Priced, { scaling, sparsity }: Curves): Promise<void> => {
  await writeText(file, passesCsv(price));
  for (const { mode, points } of scaling) await writeText(besideOf(file, `scaling-${mode}`), curveCsv('systems', points));
  if (sparsity.length > 0) await writeText(besideOf(file, 'sparsity'), curveCsv('sparsity', sparsity));
};

export const plan = async (options: Options, signal: AbortSignal): Promise<number> => {
  const { report, trace, csv } = options;
  const job = await planJobOf(options, await machineOfOptions(options));
  checkCurves(job, options);
  for (const name of ['report', 'trace', 'csv'] as const) await checkFilePlace(options, name);
  const found = priced(job), { work } = found.plan, { price } = found, curves = curvesOf(job, options);
  signal.throwIfAborted();
  if (options.json === true) {
    sayJson(planJson, bodyOf(job, found));
    for (const { mode, points } of curves.scaling) sayJson(planJson, { type: 'scaling', mode, points });
    if (curves.sparsity.length > 0) sayJson(planJson, { type: 'sparsity', points: curves.sparsity });
  } else {
    print(textOfPlan(job, found));
    const tables = textOfCurves(curves);
    if (tables !== '') print(`\n${tables}`);
  }
  if (csv !== undefined) await writeTables(csv, found, curves);
  if (trace !== undefined) await writeText(trace, chromeTrace({ virtual: { work, price, spans: spansOf(work, job.machine) } }));
  if (report !== undefined) await writeReport(report, { title: `plan of ${job.model.name} on ${work.numCsx} CS-2`, work, price, machine: job.machine, ...curves });
  return 0;
};
