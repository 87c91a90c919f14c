/** safetensors against an implementation in another language: Python's standard library alone, both ways, byte for byte. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openSafetensors } from '../../../../src/formats/safetensors/open.js';
import { writeSafetensors } from '../../../../src/formats/safetensors/write.js';

/** Usage: read FILE prints names, dtypes, shapes and values; write FILE packs what stdin describes. Values of BF16 are cut floats. */
const script = `
import json, struct, sys

CODE = {'F32': ('f', 4), 'F16': ('e', 2), 'BF16': ('H', 2)}

def read(path):
    raw = open(path, 'rb').read()
    (length,) = struct.unpack('<Q', raw[:8])
    assert (8 + length) % 8 == 0
    header = json.loads(raw[8:8 + length].decode('utf-8'))
    metadata = header.pop('__metadata__', {})
    out = []
    for name, info in header.items():
        assert list(info) == ['dtype', 'shape', 'data_offsets']
        begin, end = info['data_offsets']
        code, size = CODE[info['dtype']]
        values = struct.unpack('<%d%s' % ((end - begin) // size, code), raw[8 + length + begin:8 + length + end])
        if info['dtype'] == 'BF16':
            values = [struct.unpack('<f', struct.pack('<I', v << 16))[0] for v in values]
        out.append({'name': name, 'dtype': info['dtype'], 'shape': info['shape'], 'values': list(values)})
    return {'metadata': metadata, 'tensors': out}

def write(path, content):
    order = {'F32': 0, 'BF16': 1, 'F16': 2}
    header, data = {}, b''
    if content['metadata']:
        header['__metadata__'] = content['metadata']
    for t in sorted(content['tensors'], key=lambda t: (order[t['dtype']], t['name'].encode('utf-8'))):
        if t['dtype'] == 'BF16':
            packed = b''.join(struct.pack('<f', v)[2:] for v in t['values'])
        else:
            packed = struct.pack('<%d%s' % (len(t['values']), CODE[t['dtype']][0]), *t['values'])
        header[t['name']] = {'dtype': t['dtype'], 'shape': t['shape'], 'data_offsets': [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header, ensure_ascii=False, separators=(',', ':')).encode('utf-8')
    text += b' ' * (-len(text) % 8)
    open(path, 'wb').write(struct.pack('<Q', len(text)) + text + data)

if sys.argv[1] == 'read':
    print(json.dumps(read(sys.argv[2])))
else:
    write(sys.argv[2], json.loads(sys.stdin.buffer.read().decode('utf-8')))
`;

const python = ['python3', '/usr/bin/python3'].find((command) => spawnSync(command, ['-c', 'import json, struct']).status === 0);
const skip = python === undefined ? 'no python3 on this machine' : false;

let root = '', program = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'waferstream-python-'));
  program = join(root, 'naive.py');
  await writeFile(program, script);
});
after(() => rm(root, { recursive: true }));

const run = (args: readonly string[], input = ''): string => execFileSync(python ?? '', [program, ...args], { input, encoding: 'utf8' });

const names = ['transformer.h.0.attn.c_attn.weight', 'transformer.h.10.ln_1.bias', 'transformer.h.2.ln_1.bias', 'Größe', '\u{1F600}', '\uffee', 'quote"\\', 'empty', 'scalar'];
const tensors = names.map((name, i) => {
  const shape = name === 'empty' ? [2, 0] : name === 'scalar' ? [] : [i + 1, 3];
  const length = shape.reduce((a, b) => a * b, 1);
  // Exact in all three dtypes.
  return { name, shape, data: Float32Array.from({ length }, (_, j) => ((7 * i + j) % 33) / 16 - 1) };
});
const metadata = { format: 'pt', made: 'here' };

describe('another implementation', { skip }, () => {
  for (const dtype of ['F32', 'F16', 'BF16'] as const) {
    const content = { metadata, tensors: tensors.map(({ name, shape, data }) => ({ name, dtype, shape, values: [...data] })) };

    test(`reads our ${dtype} file, and writes the same bytes`, async () => {
      const ours = join(root, `ours-${dtype}.safetensors`), theirs = join(root, `theirs-${dtype}.safetensors`);
      await writeSafetensors(ours, tensors, { dtype, metadata });
      const read = JSON.parse(run(['read', ours])) as typeof content;
      const byName = (list: typeof content.tensors): typeof content.tensors => list.toSorted((a, b) => (a.name < b.name ? -1 : 1));
      assert.deepEqual({ metadata: read.metadata, tensors: byName(read.tensors) }, { metadata, tensors: byName(content.tensors) });
      run(['write', theirs], JSON.stringify(content));
      assert.deepEqual(await readFile(theirs), await readFile(ours));
    });
  }

  test('writes a file of several dtypes, which we read', async () => {
    const path = join(root, 'mixed.safetensors');
    const dtypes = ['F32', 'F16', 'BF16'] as const;
    const content = { metadata: {}, tensors: tensors.map(({ name, shape, data }, i) => ({ name, dtype: dtypes[i % 3], shape, values: [...data] })) };
    run(['write', path], JSON.stringify(content));
    await using file = await openSafetensors(path);
    assert.equal(file.tensors.size, tensors.length);
    for (const [i, { name, shape, data }] of tensors.entries()) {
      const into = new Float32Array(data.length);
      await file.read(name, into);
      assert.deepEqual([file.tensors.get(name)?.dtype, file.tensors.get(name)?.shape, into], [dtypes[i % 3], shape, data]);
    }
  });
});
