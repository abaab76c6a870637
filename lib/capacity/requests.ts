import { z } from 'zod';

/** What callers ask for. */

/** `West Europe` is `westeurope`. */
export const regionName = z
  .string()
  .trim()
  .toLowerCase()
  .transform((text) => text.replaceAll(' ', ''));
const region = regionName.pipe(z.string().min(1));
/** As Azure and the registry have it: lower case. */
const serverName = z.string().trim().toLowerCase().pipe(z.string().min(1));
const tags = z.record(z.string(), z.string()).default({});
/** A part of what Azure allows: what every tool and every target file can name without quoting. */
const databaseName = z
  .string()
  .regex(/^[A-Za-z0-9][\w-]{0,126}$/, 'letters, digits, _ and - only; begins with a letter or digit; at most 127')
  .refine((name) => !['master', 'tempdb', 'model', 'msdb'].includes(name.toLowerCase()), 'is a system database');

export const databaseRequestSchema = z
  .strictObject({
    name: databaseName,
    regions: z.array(region).min(1).max(20).meta({ description: 'In order of preference.' }),
    tags: tags.meta({ description: 'Tags that the server must have, with these values. The database gets them too.' }),
    sku: z
      .string()
      .min(1)
      .optional()
      .meta({ description: "For example `S0` or `GP_S_Gen5_1`; absent: Azure's default." }),
    elasticPool: z.string().min(1).optional().meta({ description: 'A pool that the servers have.' }),
    package: z
      .string()
      .min(1)
      .optional()
      .meta({ description: 'Blob of a package that is built into the new database.' }),
    requestedBy: z.string().min(1).max(256).optional(),
  })
  .meta({ id: 'Database', description: 'A new database, wherever it fits best.' });
export type DatabaseRequest = z.infer<typeof databaseRequestSchema>;

export const selectRequestSchema = z
  .strictObject({
    regions: z.array(region).min(1).max(20),
    tags,
    count: z.int().min(1).max(500).default(1),
    not: z.array(serverName).max(1_000).default([]).meta({ description: 'Servers that refused already.' }),
  })
  .meta({ id: 'Selection' });

export const simulateRequestSchema = z
  .strictObject({
    region,
    databases: z.int().min(0).max(1_000_000).meta({ description: 'How many more to imagine.' }),
  })
  .meta({ id: 'Simulation' });

export const byWhomSchema = z
  .strictObject({ actor: z.string().trim().min(1).max(256), reason: z.string().trim().min(1).max(2_000) })
  .meta({ id: 'Action', description: 'Who does it, and why.' });

export const tickRequestSchema = z.strictObject({ region: region.optional() }).meta({ id: 'Tick' });
