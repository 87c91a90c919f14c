/**
 * Which scheme is on: as the reader's system says, or as chosen in the page; light on paper, whatever the screen shows.
 *
 *   prefers-color-scheme, choice, printing ─▶ Scheme ─▶ custom properties for page.css, a context for canvases
 *
 * Not here: the colours (palette.ts).
 */
import { createContext, options, type ComponentChildren } from 'preact';
import { useContext, useLayoutEffect, useState } from 'preact/hooks';
import { schemes, type Scheme, type SchemeName } from './palette.js';

export const choices = ['auto', 'light', 'dark'] as const;
export type Choice = (typeof choices)[number];

const SchemeContext = createContext<Scheme>(schemes.light);
export const useScheme = (): Scheme => useContext(SchemeContext);

/** Renders what `change` sets before it returns, canvases included: paper does not wait for the next frame. */
const atOnce = (change: () => void): void => {
  const { debounceRendering } = options;
  options.debounceRendering = (render) => render();
  try {
    change();
  } finally {
    if (debounceRendering === undefined) delete options.debounceRendering;
    else options.debounceRendering = debounceRendering;
  }
};

/** Whether the page is being put on paper. */
const usePaper = (): boolean => {
  const [paper, setPaper] = useState(false);
  useLayoutEffect(() => {
    const begin = (): void => atOnce(() => setPaper(true)), end = (): void => setPaper(false);
    addEventListener('beforeprint', begin);
    addEventListener('afterprint', end);
    return () => {
      removeEventListener('beforeprint', begin);
      removeEventListener('afterprint', end);
    };
  }, []);
  return paper;
};

/** Whether a media query holds, followed as it changes. */
const useMedia = (query: string): boolean => {
  const [holds, setHolds] = useState(() => matchMedia(query).matches);
  useLayoutEffect(() => {
    const list = matchMedia(query), follow = (): void => setHolds(list.matches);
    follow();
    list.addEventListener('change', follow);
    return () => list.removeEventListener('change', follow);
  }, [query]);
  return holds;
};

const applied = (scheme: Scheme, name: SchemeName): void => {
  const { style } = document.documentElement;
  style.colorScheme = name;
  for (const key of ['page', 'surface', 'sunken', 'line', 'text', 'muted', 'accent', 'guess'] as const) style.setProperty(`--${key}`, scheme[key]);
  for (const [kind, colour] of Object.entries(scheme.kinds)) style.setProperty(`--${kind}`, colour);
  style.setProperty('--ramp', `linear-gradient(to right, ${scheme.ramp.join(', ')})`);
  document.documentElement.dataset['scheme'] = name;
};

export const Themed = ({ choice, children }: { readonly choice: Choice; readonly children: ComponentChildren }) => {
  const dark = useMedia('(prefers-color-scheme: dark)'), paper = usePaper();
  const name: SchemeName = paper ? 'light' : choice === 'auto' ? (dark ? 'dark' : 'light') : choice;
  useLayoutEffect(() => applied(schemes[name], name), [name]);
  return <SchemeContext.Provider value={schemes[name]}>{children}</SchemeContext.Provider>;
};

export const ThemeToggle = ({ choice, choose }: { readonly choice: Choice; readonly choose: (choice: Choice) => void }) => (
  <fieldset class="choice" data-part="theme">
    <legend class="unseen">Colours</legend>
    {choices.map((name) => (
      <label key={name}>
        <input type="radio" name="theme" value={name} checked={choice === name} onChange={() => choose(name)} />
        <span>{name}</span>
      </label>
    ))}
  </fieldset>
);
