/** A run that was really done: its losses, what it was, and its counts. Not here: prices of it (the other sections). */
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { many, percent, plain, seconds, shown, whole } from './format.js';
import type { PageRecord } from './packed.js';
import { Section, Twin, Value } from './parts.js';
import { Plot, type PlotAxis } from './plot.js';
import type { PlotSeries } from './plot-data.js';
import { DataTable } from './table.js';

const step: PlotAxis = { label: 'Step', show: (value) => plain(value) };
const loss: PlotAxis = { label: 'Loss, nats', show: (value) => plain(Number(value.toPrecision(5))) };

const Facts = ({ record }: { readonly record: PageRecord }) => {
  const { shape, tiers } = record, last = record.losses.at(-1);
  const facts: readonly (readonly [string, ComponentChildren])[] = [
    ['Steps', <><Value name="record.steps" value={record.steps} text={whole(record.steps)} /> of {whole(record.batchSize)} samples{record.skippedSteps === 0 ? '' : `, ${whole(record.skippedSteps)} skipped`}</>],
    ['Last loss', last === undefined ? 'none' : <Value name="record.lastLoss" value={last} text={loss.show(last)} />],
    ['Seed', whole(record.seed)], ['Weights’ digest', <code>{record.weightsDigest}</code>],
    ['Run on', `${whole(shape.numCsx)} × ${whole(shape.cols)} × ${whole(shape.rows)} tiles, ${whole(shape.threads)} threads, ${shape.kernels}`],
    ['Faults', whole(record.faults)], ['Checkpoints', `${whole(record.checkpoints.count)}, ${shown(record.checkpoints.bytes, 'B')}`], ['Host memory', shown(record.memory.allocatedBytes, 'B')],
    ...(record.sparsity.length === 0 ? [] : [['Sparse weights', `${whole(record.sparsity.length)}, ${percent(1 - record.sparsity.reduce((sum, { stored }) => sum + stored, 0) / record.sparsity.reduce((sum, { size }) => sum + size, 0))} absent`] as const]),
    ...(tiers === null ? [] : [
      ['DRAM of MemoryX', `${shown(tiers.dram.bytes, 'B')}${tiers.dram.budgetBytes === null ? '' : ` of ${shown(tiers.dram.budgetBytes, 'B')}`}, ${percent(tiers.hitRate)} of wants met`] as const,
      ['Flash', `${shown(tiers.flash.readBytes, 'B')} read, ${shown(tiers.flash.writtenBytes, 'B')} written, ${whole(tiers.flash.commits)} commits`] as const,
      ['Waited for tiers', `${seconds(tiers.waitedSeconds)}; bound by ${tiers.boundBy}`] as const,
    ]),
  ];
  return <dl class="facts">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
};

export const Run = ({ record }: { readonly record: PageRecord }) => {
  const series = useMemo((): readonly PlotSeries[] => [
    { name: 'training loss', kind: 'blue', line: 'solid', shape: 'circle', points: record.losses.map((value, i) => ({ x: i + 1, y: value })) },
    { name: 'evaluation loss', kind: 'amber', line: 'dashed', shape: 'triangle', points: record.evaluations.map((e) => ({ x: e.step, y: e.loss, note: `perplexity ${plain(Number(e.perplexity.toPrecision(5)))}` })) },
  ], [record]);
  const counts = Object.keys(record.counts) as (keyof PageRecord['counts'])[];
  return (
    <Section id="run" title="The run" lead="The training that was really done on the emulated cluster.">
      <Facts record={record} />
      {record.losses.length === 0 ? null : <Plot title="Loss by step" x={step} y={loss} series={series} />}
      <Twin summary={`Counted actions (${counts.length})`}>{() => (
        <DataTable caption="Actions of the whole run" page={counts.length} rows={counts} columns={[
          { key: 'action', head: 'Action', value: (action) => action },
          ...([['counts', 'Counted'], ['evaluated', 'In evaluations'], ['redone', 'Redone after faults']] as const).map(([key, head]) => ({ key, head, number: true, value: (action: keyof PageRecord['counts']) => record[key][action], show: (action: keyof PageRecord['counts']) => <Value value={record[key][action]} text={record[key][action] < 1e9 ? whole(record[key][action]) : many(record[key][action])} /> })),
        ]} />
      )}</Twin>
    </Section>
  );
};
