import { type HttpRequest } from '@azure/functions';
import { AppError } from '../lib/platform/errors';
import { jsonBody, parsed, signedInActor } from '../lib/platform/http';
import { deploymentRequestSchema } from '../lib/workspaces/schema';
import { type DeploymentSubmission } from '../lib/workspaces/submit';
import {
  filesOf,
  mediaTypeOf,
  optionsOf,
  readFormData,
  refuseUnreadableBody,
  unsupportedMediaType,
} from './submission';

/**
 * Reads what `POST /api/workspaces/{name}/deployments` was sent: a form with `assets` and `options`, or JSON that names a
 * blob or an earlier deployment.
 *
 * @throws AppError `request.*` when it cannot be taken apart; what is inside is checked later, as a whole
 */
export async function readDeployment(
  request: HttpRequest,
  workspace: string,
  readBlob: (name: string) => Promise<Buffer | null>,
): Promise<DeploymentSubmission> {
  refuseUnreadableBody(request);
  const common = { workspace, signedInActor: signedInActor(request, process.env) };
  const mediaType = mediaTypeOf(request);
  if (mediaType === 'multipart/form-data') {
    const form = await readFormData(request);
    const unknown = [...form.keys()].filter((part) => part !== 'assets' && part !== 'options');
    const [archive, ...moreArchives] = await filesOf(form, 'assets');
    const [options, ...moreOptions] = await filesOf(form, 'options');
    if (
      archive === undefined ||
      options === undefined ||
      unknown.length + moreArchives.length + moreOptions.length > 0
    ) {
      const message =
        'The form has exactly two parts: "assets", a zip archive, and "options", JSON with the environments.';
      throw new AppError('request.parts', message, { status: 422 });
    }
    return { ...common, assets: { bytes: archive.bytes }, options: optionsOf(options.bytes) };
  }
  if (mediaType !== 'application/json') throw unsupportedMediaType('multipart/form-data or application/json');
  const { assets, options } = parsed(deploymentRequestSchema, await jsonBody(request), 'body');
  if ('deployment' in assets) return { ...common, assets, options };
  const bytes = await readBlob(assets.blob);
  if (bytes === null) {
    throw new AppError('request.blobMissing', `There is no blob "${assets.blob}" in the container "packages".`, {
      status: 422,
    });
  }
  return { ...common, assets: { bytes }, options };
}
