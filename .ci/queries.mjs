// Parses the queries of reports/siem: KQL with Microsoft's parser and the columns of the tables, LogQL with Grafana's. A query of
// another kind has no parser here; only its event codes and fields are compared with those of the documents.
//
// queries.mjs FOLDER DOCUMENT, in a folder with the npm packages

import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, document] = process.argv.slice(2);
const require = createRequire(join(process.cwd(), "package.json"));
require("@kusto/language-service-next/bridge.min.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.min.js");
const { parser } = require("@grafana/lezer-logql");

// Tables of Azure Monitor that the queries name, with the columns that they may use.
const TABLES = `.create-merge table Syslog (TimeGenerated: datetime, Computer: string, HostName: string, Facility: string,
SeverityLevel: string, SyslogMessage: string, ProcessName: string, ProcessID: int)
.create-merge table CommonSecurityLog (TimeGenerated: datetime, Computer: string, DeviceVendor: string, DeviceProduct: string,
DeviceVersion: string, DeviceEventClassID: string, Activity: string, LogSeverity: string, DeviceAction: string,
DeviceCustomString1: string, DeviceCustomString2: string, DeviceCustomString3: string, DeviceCustomString4: string,
DeviceCustomString5: string, DeviceCustomString6: string, DeviceCustomDate1: string, DeviceCustomDate2: string,
DestinationUserName: string, DestinationUserID: string, Message: string, Reason: string)`;

const { Language } = globalThis.Kusto;
const tables = TABLES.split(".create-merge table ").slice(1).map((text) => {
    const [, name, columns] = /^(\w+) \(([^)]*)\)/.exec(text);
    return new Language.Symbols.TableSymbol.$ctor7(name, `(${columns.replaceAll("\n", " ")})`, null);
});
const database = new Language.Symbols.DatabaseSymbol.$ctor1("workspace", tables, false);
const globals = Language.GlobalState.Default.WithDatabase(database);

function faultsOfKql(text) {
    const code = Language.KustoCode.ParseAndAnalyze(text, globals);
    const found = code.GetDiagnostics();
    return Array.from({ length: found.Count }, (_, at) => found.getItem(at)).map((one) => `${one.Start}: ${one.Message}`);
}

function faultsOfLogql(text) {
    const faults = [];
    parser.parse(text).iterate({ enter: (node) => void (node.type.isError && faults.push(`${node.from}: syntax`)) });
    return faults;
}

// The checks themselves must find faults.
for (const [faults, wrong] of [
    [faultsOfKql, "Syslog | where Colour == 1"],
    [faultsOfKql, "Syslog | summarise count()"],
    [faultsOfLogql, 'absent_over_time({app="x"} [26h'],
]) {
    if (faults(wrong).length === 0) throw new Error(`no fault found in: ${wrong}`);
}

const documented = readFileSync(document, "utf8");
let failed = false;
for (const name of readdirSync(folder).sort()) {
    const text = readFileSync(join(folder, name), "utf8");
    const faults = { kql: faultsOfKql, logql: faultsOfLogql }[name.split(".").pop()]?.(text) ?? [];
    const code = /"(run\.[a-z]+)"/.exec(text)?.[1];
    if (!code || !documented.includes(`| \`${code}\` |`)) faults.push("no event code of the documents");
    for (const [, field] of text.matchAll(/btrollcall[._](?:run|change|finding)[._](\w+)/g)) {
        if (!documented.includes(`\`${field}\``)) faults.push(`the field ${field} is not documented`);
    }
    if (faults.length) failed = true;
    console.log(`${name}: ${faults.length ? faults.join("; ") : "right"}`);
}
process.exit(failed ? 1 : 0);
