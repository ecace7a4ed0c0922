// Package lsp lets editors ask package editor by the Language Server Protocol,
// version 3.17 (https://microsoft.github.io/language-server-protocol/), over a
// stream such as standard input and output.
//
// [Serve] answers one editor until it leaves. Each directory with definition
// files is a definition of its own. A text is checked for its form while it is
// written; when it is opened and saved, the whole definition is evaluated, beside
// everything else, and what is wrong with it is published.
package lsp
