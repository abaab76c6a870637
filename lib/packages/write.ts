import { AppError } from '../platform/errors';
import { baseName, collisionKey } from './entry-name';
import { type Package, type Script } from './model';
import { zipFiles } from './pack-folder';
import { projectFileName, projectNamespace } from './project-xml';

/**
 * Writes a package as a `.sbm` that the predecessor reads: the scripts, and a project document that names them with all
 * their attributes. Scripts are written in UTF-8, so their text and its hash stay the same; the bytes of a script that
 * came in another encoding do not. A `.sbm` is flat: a script of a subfolder gets the folder into its name. The same
 * package gives the same bytes every time.
 *
 * @throws AppError `packages.nameCollision` when two different scripts would get one name, `packages.notXml` when an
 *   attribute contains a character that XML cannot express
 */
export async function writePackage({ scripts }: Pick<Package, 'scripts'>): Promise<Buffer> {
  const files = new Map<string, { name: string; text: string }>();
  for (const script of scripts) {
    const name = flatName(script);
    const earlier = files.get(collisionKey(name));
    if (earlier !== undefined && earlier.text !== script.text) {
      const message = `Two scripts would both be called ${name} in the package.`;
      throw new AppError('packages.nameCollision', message, { status: 422 });
    }
    files.set(collisionKey(name), { name, text: script.text });
  }
  return zipFiles([
    ...[...files.values()].map(({ name, text }) => ({ name, bytes: Buffer.from(text, 'utf8') })),
    { name: projectFileName, bytes: Buffer.from(projectXml(scripts), 'utf8') },
  ]);
}

function flatName({ fileName }: Script): string {
  const name = baseName(fileName);
  return name === fileName ? name : fileName.replaceAll('/', '_');
}

function projectXml(scripts: readonly Script[]): string {
  const lines = [
    '<?xml version="1.0" encoding="utf-8" standalone="yes"?>',
    `<SqlSyncBuildData xmlns="${projectNamespace}">`,
    '  <SqlSyncBuildProject ProjectName="" ScriptTagRequired="false">',
    '    <Scripts>',
    ...scripts.map((script) => `      <Script ${attributesOf(script)} />`),
    '    </Scripts>',
    '    <Builds />',
    '  </SqlSyncBuildProject>',
    '</SqlSyncBuildData>',
  ];
  return `\ufeff${lines.join('\r\n')}`;
}

/** In the predecessor's order. What is null there is left out, because '' is not a date or a number. */
function attributesOf(script: Script): string {
  const attributes: [string, string | number | boolean | null][] = [
    ['FileName', flatName(script)],
    ['BuildOrder', script.order],
    ['Description', script.description],
    ['RollBackOnError', script.rollBackOnError],
    ['CausesBuildFailure', script.causesBuildFailure],
    ['DateAdded', script.dateAdded || null],
    ['ScriptId', script.scriptId],
    ['Database', script.database],
    ['StripTransactionText', script.stripTransactionText],
    ['AllowMultipleRuns', script.allowMultipleRuns],
    ['AddedBy', script.addedBy || null],
    ['ScriptTimeOut', script.timeoutSeconds],
    ['DateModified', script.dateModified || null],
    ['ModifiedBy', script.modifiedBy || null],
    ['Tag', script.tag],
  ];
  return attributes
    .flatMap(([name, value]) => (value === null ? [] : [`${name}="${escapeAttribute(String(value))}"`]))
    .join(' ');
}

function escapeAttribute(value: string): string {
  if (/\p{Cs}/u.test(value) || /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(value)) {
    throw new AppError('packages.notXml', 'An attribute contains a character that XML cannot express.', {
      status: 422,
    });
  }
  // Line ends and tabs as references: as they are, a reader would turn them into blanks.
  return value.replace(/[&<>"\t\r\n]/g, (character) => `&#${character.charCodeAt(0)};`);
}
