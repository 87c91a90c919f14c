/** A sweep: its table, and any number of it over any other. Not here: how it was done (cli/). */
import { useMemo, useState } from 'preact/hooks';
import type { SweepTable, SweepValue } from '../input.js';
import { plain, whole } from './format.js';
import { Section, Value } from './parts.js';
import { Plot, type PlotAxis } from './plot.js';
import type { PlotSeries } from './plot-data.js';
import { DataTable } from './table.js';

type SweepRow = readonly SweepValue[];

/** Columns that hold numbers, at least two different ones first. */
const numeric = ({ columns, rows }: SweepTable): readonly number[] => {
  const kinds = columns.map((_, c) => new Set(rows.map((row) => row[c]).filter((value) => typeof value === 'number')).size);
  return columns.map((_, c) => c).filter((c) => (kinds[c] ?? 0) > 0).toSorted((a, b) => Number((kinds[b] ?? 0) > 1) - Number((kinds[a] ?? 0) > 1) || a - b);
};

export const Sweep = ({ sweep }: { readonly sweep: SweepTable }) => {
  const numbers = numeric(sweep), varied = numbers.filter((c) => new Set(sweep.rows.map((row) => row[c])).size > 1);
  const [x, setX] = useState(varied[0] ?? numbers[0] ?? -1), [y, setY] = useState(varied.at(-1) ?? numbers.at(-1) ?? -1);
  const name = (c: number): string => sweep.columns[c] ?? '';
  const series = useMemo((): readonly PlotSeries[] => [{
    name: name(y), kind: 'blue', shape: 'circle',
    points: sweep.rows.flatMap((row, i) => (typeof row[x] === 'number' && typeof row[y] === 'number' ? [{ x: row[x], y: row[y], note: `row ${i + 1}` }] : [])),
  }], [sweep, x, y]);
  const axis = (c: number): PlotAxis => ({ label: name(c), show: (value) => plain(value) });
  const chooser = (label: string, value: number, choose: (c: number) => void) => (
    <label class="select">{label} <select value={value} onChange={(event) => choose(Number(event.currentTarget.value))}>{numbers.toSorted((a, b) => a - b).map((c) => <option key={c} value={c}>{name(c)}</option>)}</select></label>
  );
  return (
    <Section id="sweep" title="Sweep" lead={`${whole(sweep.rows.length)} ${sweep.rows.length === 1 ? 'row' : 'rows'}.`}>
      {x < 0 || y < 0 ? null : (
        <>
          <div class="tools">{chooser('Across', x, setX)}{chooser('Up', y, setY)}</div>
          <Plot title={`${name(y)} over ${name(x)}`} x={axis(x)} y={axis(y)} series={series} />
        </>
      )}
      <DataTable part="sweep" caption="All rows of the sweep" rows={sweep.rows} columns={sweep.columns.map((head, c) => ({ key: `${c}`, head, number: numbers.includes(c), value: (row: SweepRow) => row[c] ?? null, show: (row: SweepRow) => (typeof row[c] === 'number' ? <Value value={row[c]} text={plain(row[c])} /> : plain(row[c])) }))} />
    </Section>
  );
};
