/** Machines by name: a preset, or a file in YAML or JSON that says what is different from one. Not here: what the fields mean (spec/groups.ts), their checks (spec/machine.ts). */
import { machineNames, machineOf, machines, type MachineName, type MachineSpec } from '../spec/machine.js';
import { InvalidConfig } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import { readYaml } from './yaml.js';

const isPreset = (name: string): name is MachineName => Object.hasOwn(machines, name);

/** A preset by its name, or the machine of a file. @throws InvalidConfig for a name that is neither, or for what the file says; CorruptFile if it cannot be read or is neither YAML nor JSON */
export const readMachine = async (pathOrPresetName: string): Promise<MachineSpec> => {
  if (isPreset(pathOrPresetName)) return machines[pathOrPresetName];
  if (!/[./\\]/.test(pathOrPresetName)) {
    throw new InvalidConfig({ what: 'no machine of that name', value: pathOrPresetName, limit: machineNames.join(', '), hint: `did you mean ${nearest(pathOrPresetName, machineNames) ?? machineNames.join(' or ')}? A file is named with its ending: machine.yaml` });
  }
  return machineOf(await readYaml(pathOrPresetName), pathOrPresetName);
};
