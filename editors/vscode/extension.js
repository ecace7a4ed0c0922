// Starts `sysc lsp` for definition files, and lets the client library do the rest.
const { workspace } = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

let client;

exports.activate = async () => {
  const settings = workspace.getConfiguration("sysc");
  client = new LanguageClient(
    "sysc",
    "sysc",
    {
      command: settings.get("path"),
      args: ["lsp", ...settings.get("arguments")],
      transport: TransportKind.stdio,
    },
    {
      documentSelector: [
        { scheme: "file", language: "sysc" },
        { scheme: "file", pattern: "**/*.sysc.json" },
      ],
    },
  );
  await client.start();
};

exports.deactivate = () => client?.stop();
