/**
 * Small parts that all sections share: sections, figures with their exact value, bars, legends, tables that open beneath a plot. Not here: tables (table.tsx), plots (plot.tsx).
 */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Shape } from './names.js';
import type { Colour, Kind } from './palette.js';

export const Section = ({ id, title, lead, children }: { readonly id: string; readonly title: string; readonly lead?: ComponentChildren; readonly children: ComponentChildren }) => (
  <section id={id} aria-labelledby={`${id}-title`}>
    <h2 id={`${id}-title`}>{title}</h2>
    {lead === undefined ? null : <p class="lead">{lead}</p>}
    {children}
  </section>
);

/** A number as people read it, with the number itself beside it for machines. */
export const Value = ({ name, value, text }: { readonly name?: string; readonly value: number; readonly text: string }) => (
  <data value={String(value)} title={String(value)} data-figure={name}>{text}</data>
);

export interface FigureProps {
  readonly label: string;
  readonly name: string;
  readonly value: number;
  readonly text: string;
  readonly note?: ComponentChildren;
}

export const Figure = ({ label, name, value, text, note }: FigureProps) => (
  <div class="figure">
    <dt>{label}</dt>
    <dd><Value name={name} value={value} text={text} /></dd>
    {note === undefined ? null : <dd class="note">{note}</dd>}
  </div>
);

/** A share from 0 to 1 as a bar; what exceeds 1 fills it. */
export const Bar = ({ share, kind }: { readonly share: number; readonly kind: Kind }) => (
  <span class="bar" aria-hidden="true">{share > 0 ? <span style={{ inlineSize: `${Math.min(1, Math.max(0, share)) * 100}%`, background: `var(--${kind})` }} /> : null}</span>
);

const outlines: Readonly<Record<Shape, string>> = {
  circle: 'M8 3a5 5 0 1 0 0 10a5 5 0 1 0 0-10z', square: 'M3.5 3.5h9v9h-9z', triangle: 'M8 2.5L14 13H2z', diamond: 'M8 1.5L14.5 8L8 14.5L1.5 8z', cross: 'M4 2L8 6L12 2L14 4L10 8L14 12L12 14L8 10L4 14L2 12L6 8L2 4z',
};

export interface LegendItem {
  readonly name: string;
  readonly kind: Colour;
  readonly shape?: Shape | undefined;
  readonly line?: 'solid' | 'dashed' | undefined;
}

/** What marks mean, by colour and by shape. */
export const Legend = ({ items }: { readonly items: readonly LegendItem[] }) => (
  <ul class="legend">
    {items.map(({ name, kind, shape, line }) => (
      <li key={name}>
        <svg width={line === undefined ? 16 : 28} height="16" viewBox={line === undefined ? '0 0 16 16' : '-6 0 28 16'} aria-hidden="true" style={{ color: `var(--${kind})` }}>
          {line === undefined ? null : <path d="M-6 8H22" stroke="currentColor" stroke-width="2" stroke-dasharray={line === 'dashed' ? '5 4' : undefined} />}
          {shape === undefined ? null : <path d={outlines[shape]} fill="currentColor" />}
        </svg>
        {name}
      </li>
    ))}
  </ul>
);

/** The figures of a plot: made when they are first looked at, since there may be many. */
export const Twin = ({ summary, children }: { readonly summary: string; readonly children: () => ComponentChildren }) => {
  const [seen, setSeen] = useState(false);
  return (
    <details onToggle={(event) => event.currentTarget.open && setSeen(true)}>
      <summary>{summary}</summary>
      {seen ? children() : null}
    </details>
  );
};

/** Width of an element, followed as the window changes. */
export const useWidth = <T extends HTMLElement>() => {
  const ref = useRef<T>(null), [width, setWidth] = useState(0);
  useEffect(() => {
    const element = ref.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    setWidth(element.clientWidth);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width] as const;
};

/** A canvas of so many CSS pixels, sharp on any screen, cleared, in CSS pixels. */
export const brush = (canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null => {
  const ratio = globalThis.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext('2d');
  context?.scale(ratio, ratio);
  return context;
};

export const canvasFont = (size = 12): string => `${size}px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif`;
