/**
 * What docs/ says of `--json`, made of the schemas in src/cli/json/: a JSON Schema file for each command, and the tables of docs/json.md.
 *
 * As published, schemas let unknown fields be: those may come without a new version. Not here: writing the files (../write-schemas.ts).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toJsonSchema, type JsonSchema } from '@valibot/to-json-schema';
import { jsonSchemas } from './json-list.js';
import { schemaName } from '../../src/report/json.js';
import { projectRoot } from './golden.js';

const published = (schema: (typeof jsonSchemas)[number]['schema']): JsonSchema =>
  toJsonSchema(schema, { target: 'draft-2020-12', errorMode: 'throw', overrideSchema: ({ jsonSchema }) => {
    const { additionalProperties, ...rest } = jsonSchema;
    return additionalProperties === false ? rest : jsonSchema;
  } });

/** docs/schema/, by the name of each file. */
export const schemaFiles = (): ReadonlyMap<string, string> =>
  new Map(jsonSchemas.map(({ command, version, form, schema }) => {
    const title = schemaName(command, version), what = form === 'lines' ? 'each line of' : 'the document of';
    return [`${command}.json`, `${JSON.stringify({ title, description: command === 'error' ? 'what any command tells as its last line of --json where it fails' : `${what} waferstream ${command} --json`, ...published(schema) }, null, 2)}\n`];
  }));

/** Of JSON Schema, what stands in these files. */
interface Node {
  readonly type?: string;
  readonly description?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly items?: Node;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
}
const alternatives = (node: Node): readonly Node[] => node.anyOf ?? node.oneOf ?? [];

/** A field's kind, as people say it. */
const kindOf = (node: Node): string => {
  if (node.const !== undefined) return `\`${JSON.stringify(node.const)}\``;
  if (node.enum !== undefined) return node.enum.map((value) => `\`${JSON.stringify(value)}\``).join(', ');
  const options = alternatives(node);
  if (options.length > 0) return options.map(kindOf).join(' or ');
  if (node.type === 'array') return `list of ${kindOf(node.items ?? {})}`;
  if (node.type === 'integer') return 'whole number';
  return node.type === undefined ? 'anything' : node.type === 'string' ? 'text' : node.type;
};

/** The objects inside a field whose own fields get rows. */
const insideOf = (node: Node, path: string): readonly (readonly [Node, string])[] => {
  if (node.properties !== undefined) return [[node, `${path}.`]];
  if (node.type === 'array') return insideOf(node.items ?? {}, `${path}[]`);
  return alternatives(node).flatMap((option) => insideOf(option, path));
};

const rowsOf = (node: Node, path = ''): string[] =>
  Object.entries(node.properties ?? {}).filter(([name]) => path !== '' || !['schema', 'waferstream', 'type', 'kind'].includes(name)).flatMap(([name, field]) => {
    const optional = node.required?.includes(name) === true ? '' : ', or absent';
    return [`| \`${path}${name}\` | ${kindOf(field)}${optional} | ${field.description ?? ''} |`, ...insideOf(field, path + name).flatMap(([inner, under]) => rowsOf(inner, under))];
  });

const tableOf = (node: Node): string => ['| field | kind | what |', '|---|---|---|', ...rowsOf(node)].join('\n');

const nameOf = (node: Node): string => {
  const name = ['type', 'kind'].find((one) => node.properties?.[one]?.const !== undefined) ?? 'type';
  return `\`"${name}": ${JSON.stringify(node.properties?.[name]?.const)}\``;
};

/** The part of docs/json.md between `<!-- fields -->` and `<!-- end of fields -->`. */
const fields = (): string =>
  jsonSchemas.map(({ command, version, form, schema }) => {
    const whole = published(schema) as unknown as Node, variants = alternatives(whole);
    const parts = variants.length === 0 ? [tableOf(whole)] : variants.map((variant) => `${form === 'lines' ? 'A line' : 'The document'} with ${nameOf(variant)}:\n\n${tableOf(variant)}`);
    const about = command === 'error' ? 'The last line of a command that failed.' : form === 'lines' ? 'Lines.' : 'One document.';
    return `### ${command}\n\n${about} \`${schemaName(command, version)}\`, [schema/${command}.json](schema/${command}.json)\n\n${parts.join('\n\n')}`;
  }).join('\n\n');

const marks = ['<!-- fields -->', '<!-- end of fields -->'] as const;

/** docs/json.md as it should be: its text, with the fields made anew. */
export const jsonPage = (): string => {
  const text = readFileSync(join(projectRoot(), 'docs/json.md'), 'utf8'), [from, to] = marks.map((mark) => text.indexOf(mark)) as [number, number];
  if (from < 0 || to < from) throw new Error(`docs/json.md lacks ${marks.join(' … ')}`);
  return `${text.slice(0, from + marks[0].length)}\n\n${fields()}\n\n${text.slice(to)}`;
};
