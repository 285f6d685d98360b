import { Command } from "commander";
import { reportFromProto } from "../../api/convert/report.ts";
import { GleanerError } from "../../errors/gleaner-error.ts";
import { readBooks } from "../../report/books.ts";
import { reportCsv } from "../../report/csv.ts";
import type { Report } from "../../report/report.ts";
import { reportText } from "../../report/text.ts";
import type { Cli } from "../cli.ts";
import { withClients } from "../connect.ts";
import { addressOption, jsonOption, numberOption, parseInstant } from "../options.ts";

interface Options {
  readonly address: string;
  readonly books?: string;
  readonly from?: Date;
  readonly to?: Date;
  readonly price: number;
  readonly pool: string;
  readonly csv?: boolean;
  readonly json?: boolean;
}

export function command(cli: Cli): Command {
  return new Command("report")
    .description(
      `Shows where every device-second went, per pool, owner and tenant: what was harvested, useful, lost, and how long owners
waited. For each device the categories sum to the elapsed time exactly.`,
    )
    .option(
      "--from <time>",
      "ISO 8601, or how long ago (2h); default: as far back as the books reach",
      parseInstant,
    )
    .option("--to <time>", "likewise; default: now", parseInstant)
    .addOption(
      numberOption("--price <amount>", "of one GPU-hour: adds money to the report", 0).default(0, "no money"),
    )
    .option("--pool <name>", "only this pool", "")
    .option("--books <path>", "read a ledger.sqlite itself, without a controller")
    .addOption(addressOption(cli))
    .addOption(jsonOption())
    .option("--csv", "print CSV, one line for each device and category")
    .addHelpText("after", help)
    .action(async (options: Options) => {
      if (options.json === true && options.csv === true)
        throw new GleanerError("COMMAND_INVALID", {
          problem: "give --json or --csv, not both",
          command: "report",
        });
      const report =
        options.books === undefined ? await askController(options) : readFile(options.books, options);
      if (options.json === true) cli.printJson(report);
      else if (options.csv === true) cli.print(reportCsv(report).trimEnd());
      else
        cli.print(reportText(report, { colors: cli.paint.isColorSupported, pricePerGpuHour: options.price }));
    });
}

function askController({ address, from, to, price, pool }: Options): Promise<Report> {
  return withClients(address, async ({ reports }) =>
    reportFromProto(await reports.getReport({ from, to, pool, pricePerGpuHour: price })),
  );
}

function readFile(path: string, { from, to, price, pool }: Options): Report {
  const books = readBooks(path);
  try {
    return books.report({
      fromMs: from?.getTime() ?? null,
      toMs: to?.getTime() ?? null,
      pricePerGpuHour: price,
      pool,
    });
  } finally {
    books.close();
  }
}

const help = `
Examples:
  $ gleaner report
  $ gleaner report --from 24h --price 2.5
  $ gleaner report --csv > devices.csv
  $ gleaner report --books /var/lib/gleaner/default/ledger.sqlite --json
`;
