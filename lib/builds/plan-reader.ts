import { createCache } from '../platform/cache';
import { type Clock } from '../platform/clock';
import { AppError } from '../platform/errors';
import { type Plan, type PlannedTarget, type RunInput } from './schema';
import { type BuildStore } from './store';

/** Reads the immutable plan of a run, page by page, keeping the pages that are in use. */
export interface PlanReader {
  plan(run: RunInput): Promise<Plan>;
  target(run: RunInput, plan: Plan, ordinal: number): Promise<PlannedTarget>;
  /** Page `index` of the plan: targets `index * pageSize` and on. */
  page(run: RunInput, index: number): Promise<PlannedTarget[]>;
}

/** A page is some 100 KB; lanes of many servers walk through many pages at once. */
const pagesKept = 64;
const pageAgeMs = 60_000;
const plansKept = 8;

export function createPlanReader(builds: BuildStore, clock: Clock): PlanReader {
  const nowMs = (): number => clock.nowMs();
  const plans = createCache({
    capacity: plansKept,
    maximumAgeMs: pageAgeMs,
    nowMs,
    load: async (key) => {
      const { buildId, run } = parse(key);
      const plan = await builds.readPlan(buildId, run);
      if (plan === null) throw new AppError('builds.stateMissing', `Run ${run} of build "${buildId}" has no plan.`);
      return plan;
    },
  });
  const pages = createCache({
    capacity: pagesKept,
    maximumAgeMs: pageAgeMs,
    nowMs,
    load: (key) => {
      const { buildId, run, page } = parse(key);
      return builds.readPlanPage(buildId, run, page);
    },
  });
  const reader: PlanReader = {
    plan: ({ buildId, run }) => plans.get(`${buildId} ${run}`),
    page: ({ buildId, run }, index) => pages.get(`${buildId} ${run} ${index}`),
    async target(run, plan, ordinal) {
      const page = await reader.page(run, Math.floor(ordinal / plan.pageSize));
      const target = page[ordinal % plan.pageSize];
      if (target === undefined) {
        throw new AppError('builds.stateMissing', `The plan of build "${run.buildId}" has no target ${ordinal}.`);
      }
      return target;
    },
  };
  return reader;
}

function parse(key: string): { buildId: string; run: number; page: number } {
  const [buildId = '', run = '', page = ''] = key.split(' ');
  return { buildId, run: Number(run), page: Number(page) };
}
