/** Curves over systems and over sparsity: speedup beside what would be perfect, and utilization. Not here: the plot itself (plot.tsx). */
import { useMemo } from 'preact/hooks';
import type { CurvePoint } from '../../timing/types.js';
import { percent, plain, seconds, shown, whole } from './format.js';
import type { PageData } from './packed.js';
import { Section, Twin } from './parts.js';
import { Plot, type PlotAxis } from './plot.js';
import type { PlotSeries } from './plot-data.js';
import { DataTable, type Column } from './table.js';

const times = (value: number): string => `${plain(Number(value.toPrecision(4)))}\u00a0×`;
const perfect = (points: readonly CurvePoint[]): PlotSeries['points'] => points.map(({ x, speedup, efficiency }) => ({ x, y: speedup / efficiency })).filter(({ y }) => Number.isFinite(y));
const figures = (head: string, show: (x: number) => string): readonly Column<CurvePoint>[] => [
  { key: 'x', head, number: true, value: (p) => p.x, show: (p) => show(p.x) }, { key: 'batch', head: 'Batch', number: true, value: (p) => p.batchSize, show: (p) => whole(p.batchSize) },
  { key: 'seconds', head: 'A step', number: true, value: (p) => p.secondsAStep, show: (p) => seconds(p.secondsAStep) }, { key: 'tokens', head: 'Tokens a second', number: true, value: (p) => p.tokensPerSecond, show: (p) => shown(p.tokensPerSecond, '') },
  { key: 'speedup', head: 'Speedup', number: true, value: (p) => p.speedup, show: (p) => times(p.speedup) }, { key: 'efficiency', head: 'Of perfect', number: true, value: (p) => p.efficiency, show: (p) => percent(p.efficiency) },
  { key: 'utilization', head: 'Utilization', number: true, value: (p) => p.utilization, show: (p) => percent(p.utilization) }, { key: 'verdict', head: 'What binds', value: (p) => p.verdict },
];

const systems: PlotAxis = { label: 'Systems', show: whole, log: 2 };
const speedup: PlotAxis = { label: 'Speedup', show: times, log: 10 };
const share: PlotAxis = { label: 'Utilization of the peak', show: percent, fromZero: true };
const efficiency: PlotAxis = { label: 'Share of perfect speedup', show: percent, fromZero: true };
const absent: PlotAxis = { label: 'Absent weights', show: percent };


export const Scaling = ({ scaling }: { readonly scaling: NonNullable<PageData['scaling']> }) => {
  const [speedups, efficiencies] = useMemo(() => {
    const kinds = { weak: ['blue', 'circle'], strong: ['amber', 'triangle'] } as const;
    const lines = (of: (point: CurvePoint) => number): readonly PlotSeries[] => scaling.map(({ mode, points }) => ({ name: mode, kind: kinds[mode][0], shape: kinds[mode][1], line: 'solid', points: points.map((p) => ({ x: p.x, y: of(p) })) }));
    const longest = scaling.toSorted((a, b) => b.points.length - a.points.length)[0];
    return [[...lines((p) => p.speedup), { name: 'perfect', kind: 'muted', line: 'dashed', points: perfect(longest?.points ?? []) } satisfies PlotSeries], lines((p) => p.efficiency)] as const;
  }, [scaling]);
  return (
    <Section id="scaling" title="Scaling over systems" lead="Weak: the same work for each system. Strong: the same work for all of them together.">
      <div class="pair">
        <Plot title="Speedup" x={systems} y={speedup} series={speedups} />
        <Plot title="Efficiency" x={systems} y={efficiency} series={efficiencies} />
      </div>
      {scaling.map(({ mode, points }) => <Twin key={mode} summary={`Scaling, ${mode}: all figures and what binds`}>{() => <DataTable caption={`Scaling, ${mode}`} columns={figures('Systems', whole)} rows={points} />}</Twin>)}
    </Section>
  );
};

export const Sparsity = ({ sparsity }: { readonly sparsity: NonNullable<PageData['sparsity']> }) => {
  const [speedups, used] = useMemo(() => [
    [{ name: 'priced', kind: 'blue', shape: 'circle', line: 'solid', points: sparsity.map((p) => ({ x: p.x, y: p.speedup })) }, { name: 'perfect', kind: 'muted', line: 'dashed', points: perfect(sparsity) }] as readonly PlotSeries[],
    [{ name: 'stored products', kind: 'blue', shape: 'circle', line: 'solid', points: sparsity.map((p) => ({ x: p.x, y: p.utilization })) }] as readonly PlotSeries[],
  ], [sparsity]);
  return (
    <Section id="sparsity" title="Sparsity of weights" lead="What absent weights buy, beside a step that would take as much less time as there are fewer weights.">
      <div class="pair">
        <Plot title="Speedup by sparsity" x={absent} y={speedup} series={speedups} />
        <Plot title="Utilization by sparsity" x={absent} y={share} series={used} />
      </div>
      <Twin summary="Sparsity: all figures and what binds">{() => <DataTable caption="Sparsity" columns={figures('Absent', percent)} rows={sparsity} />}</Twin>
    </Section>
  );
};
