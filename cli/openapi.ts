import { writeFileSync } from 'node:fs';
import { openApiText } from '../functions/description';

/** Writes `openapi.json` from the schemas that requests are checked with. A test fails when the committed one differs. */
writeFileSync('openapi.json', openApiText());
