// Starts `hq lsp` and hands it the files. Everything that is known of a program comes from there.
"use strict";

const { commands, window, workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

function start() {
  const settings = workspace.getConfiguration("hq");
  const folders = settings.get("schemaFolders", []).flatMap((folder) => ["--schema", folder]);
  const first = workspace.workspaceFolders?.[0]?.uri.fsPath;
  const server = {
    command: settings.get("path", "hq"),
    args: ["lsp", ...folders],
    options: first ? { cwd: first } : {},
  };
  client = new LanguageClient("hq", "hq", server, {
    documentSelector: [{ language: "hq" }],
    synchronize: { fileEvents: workspace.createFileSystemWatcher("**/*.hq") },
  });
  return client.start().catch((error) => {
    window.showErrorMessage(`hq: the language server does not start (${error.message}). Set hq.path.`);
  });
}

async function stop() {
  const running = client;
  client = undefined;
  if (running?.isRunning()) {
    await running.stop();
  }
}

async function restart() {
  await stop();
  await start();
}

exports.activate = async (context) => {
  context.subscriptions.push(
    commands.registerCommand("hq.restart", restart),
    workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("hq")) {
        restart();
      }
    }),
  );
  await start();
};

exports.deactivate = stop;
