import { z } from 'zod';
import { ServiceError, unsupported } from '../network/service-error';
import { bodyOf, invalid, missing, type Operation } from './operation';
import { type StoredFile, type WorkspaceState } from './state';

const importSchema = z.object({
  path: z.string(),
  format: z.enum(['SOURCE', 'JUPYTER', 'RAW', 'AUTO']),
  language: z.enum(['PYTHON', 'SQL', 'SCALA', 'R']).optional(),
  overwrite: z.boolean().default(false),
  content: z.base64(),
});
const largestImportBytes = 10 * 1024 * 1024;

/** First line of an exported notebook; the service adds it where it is missing. */
const headers: Record<string, string> = {
  PYTHON: '# Databricks notebook source',
  R: '# Databricks notebook source',
  SQL: '-- Databricks notebook source',
  SCALA: '// Databricks notebook source',
};

/** Notebooks and files of the workspace. */
export const fileOperations: Record<string, Operation> = {
  'POST workspace/mkdirs': (workspace, request) => {
    const { path } = bodyOf(z.object({ path: z.string() }), request);
    makeFolders(workspace, path);
    return {};
  },
  'POST workspace/import': (workspace, request) => {
    const { path, format, language = null, overwrite, content } = bodyOf(importSchema, request);
    const bytes = Buffer.from(content, 'base64');
    if (bytes.length > largestImportBytes) {
      throw new ServiceError(400, 'MAX_NOTEBOOK_SIZE_EXCEEDED', 'The content is larger than 10 MB.');
    }
    const parent = path.slice(0, path.lastIndexOf('/'));
    if (parent !== '' && workspace.files.get(parent)?.type !== 'DIRECTORY') {
      throw missing(`The parent folder (${parent}) does not exist.`);
    }
    const existing = workspace.files.get(path);
    const type = format === 'RAW' || format === 'AUTO' ? 'FILE' : 'NOTEBOOK';
    if (existing !== undefined && (!overwrite || existing.type !== type)) {
      throw new ServiceError(400, 'RESOURCE_ALREADY_EXISTS', `Path (${path}) already exists.`);
    }
    if (format === 'SOURCE' && language === null) throw invalid('language is required with SOURCE.');
    const stored =
      format === 'SOURCE'
        ? Buffer.from(withHeader(bytes.toString('utf8'), language ?? '')).toString('base64')
        : content;
    workspace.saveFile({ path, type, language: format === 'JUPYTER' ? 'PYTHON' : language, content: stored });
    return {};
  },
  'GET workspace/get-status': (workspace, request) => statusOf(find(workspace, request.query.get('path') ?? '')),
  'GET workspace/list': (workspace, request) => {
    const path = request.query.get('path') ?? '';
    if (path !== '/') find(workspace, path);
    const below = path === '/' ? '/' : `${path}/`;
    const objects = [...workspace.files.values()].filter(
      (file) => file.path.startsWith(below) && !file.path.slice(below.length).includes('/'),
    );
    return objects.length === 0 ? {} : { objects: objects.map(statusOf) };
  },
  'GET workspace/export': (workspace, request) => {
    const file = find(workspace, request.query.get('path') ?? '');
    if (file.type === 'DIRECTORY') throw unsupported('exporting folders');
    return { content: file.content, file_type: file.language?.toLowerCase() ?? 'auto' };
  },
  'POST workspace/delete': (workspace, request) => {
    const { path, recursive } = bodyOf(z.object({ path: z.string(), recursive: z.boolean().default(false) }), request);
    find(workspace, path);
    const below = [...workspace.files.keys()].filter((each) => each.startsWith(`${path}/`));
    if (below.length > 0 && !recursive) {
      throw new ServiceError(400, 'DIRECTORY_NOT_EMPTY', `Folder (${path}) is not empty.`);
    }
    for (const each of [path, ...below]) workspace.remove('file', each);
    return {};
  },
};

export const scopeOperations: Record<string, Operation> = {
  'GET secrets/scopes/list': (workspace) => ({
    scopes: [...workspace.scopes.values()].map(({ name, keyVault }) => ({
      name,
      backend_type: 'AZURE_KEYVAULT',
      keyvault_metadata: { resource_id: keyVault.resourceId, dns_name: keyVault.dnsName },
    })),
  }),
  'POST secrets/scopes/create': (workspace, request) => {
    const { scope: name, backend_azure_keyvault: vault } = bodyOf(
      z.object({
        scope: z.string().regex(/^[\w\-@.]{1,128}$/),
        scope_backend_type: z.literal('AZURE_KEYVAULT'),
        backend_azure_keyvault: z.object({ resource_id: z.string(), dns_name: z.string() }),
      }),
      request,
    );
    if (workspace.scopes.has(name)) {
      throw new ServiceError(400, 'RESOURCE_ALREADY_EXISTS', `Scope ${name} already exists!`);
    }
    workspace.saveScope({ name, keyVault: { resourceId: vault.resource_id, dnsName: vault.dns_name } });
    return {};
  },
};

function makeFolders(workspace: WorkspaceState, path: string): void {
  const segments = path.split('/').filter((segment) => segment !== '');
  for (let depth = 1; depth <= segments.length; depth += 1) {
    const folder = `/${segments.slice(0, depth).join('/')}`;
    const existing = workspace.files.get(folder);
    if (existing === undefined) workspace.saveFile({ path: folder, type: 'DIRECTORY', language: null, content: '' });
    else if (existing.type !== 'DIRECTORY') {
      throw new ServiceError(400, 'RESOURCE_ALREADY_EXISTS', `Path (${folder}) is no folder.`);
    }
  }
}

function find(workspace: WorkspaceState, path: string): StoredFile {
  const file = workspace.files.get(path);
  if (file === undefined) throw missing(`Path (${path}) doesn't exist.`);
  return file;
}

function statusOf({ path, type, language }: StoredFile) {
  return { path, object_type: type, ...(language === null ? {} : { language }) };
}

function withHeader(text: string, language: string): string {
  const header = headers[language] ?? '';
  const body = text.replace(/\s+$/, '');
  return body.startsWith(header) ? body : `${header}\n${body}`;
}
