import {
  isInCompatibleComment,
  removeCompatibleTransactionText,
  splitCompatibleBatches,
} from '../../../lib/packages/compatible-batches';
import { batchesHash, packageHash, scriptTextHash } from '../../../lib/packages/hashes';
import { readPackage } from '../../../lib/packages/read';
import { replaceTokens } from '../../../lib/packages/token-replacement';
import { describeVectors, vectorFile, vectors } from './vectors';

describeVectors('what the predecessor was seen to do', () => {
  // "Keep delimiter" is its display mode; nothing is hashed over that.
  test.each(vectors.batchSplit.filter(({ keepDelimiter }) => !keepDelimiter))(
    'splits $id into the same batches with the same hash',
    ({ input, stripTransactionText, batches, sha1 }) => {
      expect(splitCompatibleBatches(input, { stripTransactionText })).toEqual(batches);
      expect(scriptTextHash(input, { stripTransactionText })).toBe(sha1);
    },
  );

  test.each(vectors.removeTransactionReferences.vectors)('removes transaction text: $id', ({ input, output }) => {
    expect(removeCompatibleTransactionText(input)).toBe(output);
  });

  test.each(vectors.isInComment)('sees character $index of $input in a comment: $inComment', (vector) => {
    expect(isInCompatibleComment(vector.input, vector.index)).toBe(vector.inComment);
  });

  test.each(vectors.textHash.vectors)('hashes $text', ({ text, sha1 }) => {
    expect(scriptTextHash(text, { stripTransactionText: false })).toBe(sha1);
  });

  test.each(vectors.packageHash.vectors.filter(({ batchesPerScript }) => batchesPerScript !== undefined))(
    'hashes a package to $packageHash',
    (vector) => {
      expect(packageHash((vector.batchesPerScript ?? []).map(batchesHash))).toBe(vector.packageHash);
    },
  );

  test.each(vectors.samplePackages)('reads $file with all hashes', async (sample) => {
    const reading = await readPackage(vectorFile(sample.file), { name: sample.file });

    expect(reading.problems).toEqual([]);
    expect(reading.package?.kind).toBe('sbm');
    expect(reading.package?.sha256).toBe(sample.sha256);
    expect(reading.package?.packageHash).toBe(sample.packageHash);
    expect(
      reading.package?.scripts.map((script) => ({
        fileName: script.fileName,
        buildOrder: script.order,
        scriptId: script.scriptId,
        database: script.database,
        strip: String(script.stripTransactionText),
        textHash: script.hash,
        batches: script.batches.length,
        tag: script.tag,
        timeout: String(script.timeoutSeconds),
      })),
    ).toEqual(
      sample.scripts.map(({ fileName, buildOrder, scriptId, database, strip, textHash, batches, tag, timeout }) => ({
        fileName,
        buildOrder,
        scriptId,
        database,
        strip,
        textHash,
        batches,
        tag,
        timeout,
      })),
    );
  });

  // The oddities come from .NET's replacement patterns; here a value is data.
  test.each(vectors.tokenReplacement.filter(({ quirk }) => quirk !== true))('replaces tokens in $script', (vector) => {
    const values = { buildDescription: vector.buildDescription ?? null, buildPackageHash: null, buildFileName: null };
    expect(replaceTokens(vector.script, values)).toBe(vector.result);
  });
});
