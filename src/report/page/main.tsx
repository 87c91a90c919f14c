/** The page's entry: reads the data that stand in the file and shows them. Not here: what is shown (app.tsx). */
import { render } from 'preact';
import { App } from './app.js';
import { decode, type PageData } from './packed.js';

const text = document.getElementById('data')?.textContent, root = document.getElementById('page');
if (typeof text !== 'string' || root === null) throw new Error('the report was taken apart: its data are missing');
root.replaceChildren();
render(<App data={decode(text) as PageData} />, root);
