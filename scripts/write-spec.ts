import { writeFileSync } from "node:fs";
import { specFromCode, specPath } from "../test/support/spec-tests.ts";

writeFileSync(specPath, specFromCode());
