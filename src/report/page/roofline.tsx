/** The roofline: flop a second of passes over their flop a byte, under the roof of arithmetic and of the stream. Not here: the plot itself (plot.tsx). */
import { useMemo } from 'preact/hooks';
import { percent, shown } from './format.js';
import { colourShapes, phaseColours } from './names.js';
import type { PageData } from './packed.js';
import { Section, Twin } from './parts.js';
import { Plot, type PlotAxis } from './plot.js';
import type { PlotSeries } from './plot-data.js';
import { DataTable } from './table.js';

const phases = ['forward', 'recompute', 'delta', 'gradient'] as const;
const x: PlotAxis = { label: 'Intensity, flop/B', show: (value) => shown(value, 'flop/B', 3), tick: (value) => shown(value, '', 3), log: 10 };
const y: PlotAxis = { label: 'Achieved, flop/s', show: (value) => shown(value, 'flop/s', 3), tick: (value) => shown(value, '', 3), log: 10 };

export const Roofline = ({ roofline: { points, peakFlops, bytesPerSecond } }: Pick<PageData, 'roofline'>) => {
  const series = useMemo((): readonly PlotSeries[] => {
    const finite = points.map(({ intensity }) => intensity).filter((value) => Number.isFinite(value) && value > 0), ridge = peakFlops / bytesPerSecond;
    // A stream without limit has no slope: its roof is flat.
    const corners = ridge > 0 && Number.isFinite(ridge) ? [ridge] : [], marks = [...corners, ...finite];
    if (marks.length === 0) return [];
    const low = Math.min(...marks) / 8, high = Math.max(...marks) * 4;
    const roof = [low, ...corners, high].map((intensity) => ({ x: intensity, y: Math.min(peakFlops, intensity * bytesPerSecond), note: intensity === ridge ? 'where slope and peak meet' : intensity < ridge ? 'bound by the stream' : 'bound by arithmetic' }));
    return [
      { name: 'roof', kind: 'muted', line: 'solid', points: roof },
      ...phases.map((phase): PlotSeries => ({ name: phase, kind: phaseColours[phase], shape: colourShapes[phaseColours[phase]], points: points.filter((p) => p.phase === phase).map((p) => ({ x: p.intensity, y: p.achieved, note: p.name })) })),
    ];
  }, [points, peakFlops, bytesPerSecond]);
  return (
    <Section id="roofline" title="Roofline" lead={`The roof: ${shown(peakFlops, 'flop/s')} of arithmetic and ${shown(bytesPerSecond, 'B/s')} of stream, of one system; they meet at ${shown(peakFlops / bytesPerSecond, 'flop/B')}.`}>
      {series.length === 0 ? null : <Plot title="Passes under the roof" x={x} y={y} series={series} height={360} />}
      <Twin summary={`Passes against what the roof allows (${points.length})`}>{() => (
        <DataTable caption="Passes against the roof" rows={points} columns={[
          { key: 'name', head: 'Pass', value: ({ name }) => name }, { key: 'phase', head: 'Phase', value: ({ phase }) => phase },
          { key: 'intensity', head: 'Flop a byte', number: true, value: (p) => p.intensity, show: (p) => shown(p.intensity, 'flop/B') }, { key: 'achieved', head: 'Achieved', number: true, value: (p) => p.achieved, show: (p) => shown(p.achieved, 'flop/s') },
          { key: 'attainable', head: 'Roof allows', number: true, value: (p) => p.attainable, show: (p) => shown(p.attainable, 'flop/s') },
          { key: 'share', head: 'Share of it', number: true, value: (p) => p.achieved / p.attainable, show: (p) => (p.attainable > 0 ? percent(p.achieved / p.attainable) : '–') },
        ]} />
      )}</Twin>
    </Section>
  );
};
