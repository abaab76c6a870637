import { packFolder } from '../../lib/packages/pack-folder';
import { type Package } from '../../lib/packages/model';
import { readPackage } from '../../lib/packages/read';

/** A package of run-once scripts, one batch each, as long as asked for. */
export async function createWorkload(scripts: number, scriptLength: number): Promise<Package> {
  const files = Array.from({ length: scripts }, (_, index) => {
    const statement = `UPDATE dbo.Setting SET Value = N'${index}' WHERE Name = N'benchmark';\n`;
    const comment = `-- ${'x'.repeat(Math.max(0, scriptLength - statement.length - 4))}\n`;
    return { name: `${String(index + 1).padStart(3, '0')}.sql`, bytes: Buffer.from(comment + statement) };
  });
  const packed = await packFolder(files);
  if (!packed.ok) throw new Error('the workload is no folder');
  const reading = await readPackage(packed.bytes, { name: 'benchmark.zip' });
  if (!reading.valid) throw new Error(`the workload is no package: ${JSON.stringify(reading.problems)}`);
  return reading.package;
}
