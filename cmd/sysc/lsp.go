package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	"sysc/modules"
	"sysc/modules/editor/lsp"
	"sysc/store"
)

func (a *app) lspCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lsp",
		Short: "Answer an editor about definitions, on standard input and output",
		Long: `Answer an editor by the Language Server Protocol on standard input and output:
diagnostics, completion, documentation, declarations, references, formatting.
Editors start it themselves; docs/editors.md says how to set them up.`,
		Example: "  sysc lsp",
		Args:    usageArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.lsp(cmd.Context()) },
	}
	a.projectFlags(cmd)
	// Editors say which of their ways to talk they mean; there is one here.
	cmd.Flags().Bool("stdio", true, "talk on standard input and output, as it does anyway")
	return cmd
}

func (a *app) lsp(ctx context.Context) (err error) {
	variables, texts, diags := a.variables()
	if err := a.diagnose(diags, texts); err != nil {
		return err
	}
	opts := modules.Options{Version: releaseVersion(), Variables: variables, ValueFiles: texts}
	if opts.Overrides, err = a.moduleOverrides(); err != nil {
		return err
	}
	standard := ""
	if cache, ok := a.cachePath(); ok {
		standard = filepath.Join(cache, "standard-modules")
	}
	var mu sync.Mutex
	return lsp.Serve(ctx, stdio{os.Stdin, a.out}, opts, func(ctx context.Context, dir string) (map[store.Digest]string, error) {
		mu.Lock()
		defer mu.Unlock()
		a.dir = dir // an editor has definitions open in several
		return a.moduleTrees(ctx, false)
	}, standard)
}

// stdio is a stream of two.
type stdio struct {
	in  io.ReadCloser
	out io.Writer
}

func (s stdio) Read(p []byte) (int, error)  { return s.in.Read(p) }
func (s stdio) Write(p []byte) (int, error) { return s.out.Write(p) }
func (s stdio) Close() error                { return s.in.Close() }
