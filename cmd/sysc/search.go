package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sysc/lang/diag"
	"sysc/modules"
)

func (a *app) searchCommand() *cobra.Command {
	var file bool
	var input string
	cmd := &cobra.Command{
		Use:   "search QUERY…",
		Short: "Find packages of the definition's inputs, or which of them has a file",
		Long: `Find the packages that have all words of the query in their name, their summary or
what they provide, in the state of the inputs that sysc.lock has. What begins with a
word, or is called so, comes first.

With --file, find which packages have a file: a path from / on, or a name in any
directory; * and ? stand for other characters. That asks the archives for lists of
files as they are now, which are large when they are fetched first.`,
		Example: "  sysc search web server\n  sysc search --file /usr/bin/dig\n  sysc search --file 'libssl.so*'",
		Args:    usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !file {
				return a.search(cmd.Context(), args, input)
			}
			if len(args) > 1 {
				return fmt.Errorf("--file takes one path or name, not %d", len(args))
			}
			return a.searchFile(cmd.Context(), args[0], input)
		},
	}
	a.projectFlags(cmd)
	cmd.Flags().BoolVar(&file, "file", false, "the query is a path or a file name")
	cmd.Flags().StringVar(&input, "input", "", "look in the input `NAME` only")
	return cmd
}

// search prints packages.
func (a *app) search(ctx context.Context, words []string, input string) error {
	found, err := searching(ctx, a, input, func(p *modules.Project, opts modules.SearchOptions) ([]modules.FoundPackage, diag.List, error) {
		return p.Search(ctx, words, opts)
	})
	switch {
	case err != nil:
		return err
	case a.json:
		return a.printJSON(foundPackagesOf(found))
	case len(found) == 0:
		return fmt.Errorf("no package has to do with %q", strings.Join(words, " "))
	}
	several := false // inputs
	for _, p := range found {
		several = several || p.Input != found[0].Input
	}
	for _, p := range found {
		name := p.Name
		if several {
			name = p.Input + ":" + name
		}
		version := p.Version
		if p.NotAutomatic {
			version += " (" + p.Suite + ")"
		}
		fmt.Fprintf(a.out, "%-28s %-22s %s\n", name, version, p.Summary)
	}
	return nil
}

// searchFile prints files and who has them.
func (a *app) searchFile(ctx context.Context, pattern, input string) error {
	found, err := searching(ctx, a, input, func(p *modules.Project, opts modules.SearchOptions) ([]modules.FoundFile, diag.List, error) {
		return p.FindFiles(ctx, pattern, opts)
	})
	switch {
	case err != nil:
		return err
	case a.json:
		return a.printJSON(foundFilesOf(found))
	case len(found) == 0:
		return fmt.Errorf("no package has a file %q", pattern)
	}
	printed := map[string]bool{} // several suites have the same
	for _, f := range found {
		for _, name := range f.Packages {
			if line := fmt.Sprintf("%-28s %s", name, f.Path); !printed[line] {
				printed[line] = true
				fmt.Fprintln(a.out, line)
			}
		}
	}
	return nil
}

// searching loads the definition and asks it for something of its inputs. What is
// fetched meanwhile is shown on one line, which is gone before anything else is said.
func searching[T any](ctx context.Context, a *app, input string, ask func(*modules.Project, modules.SearchOptions) (T, diag.List, error)) (found T, err error) {
	project, err := a.loadProject(ctx)
	if err != nil {
		return found, err
	}
	status := &statusLine{w: a.err, mode: a.progressMode()}
	opts := modules.SearchOptions{Input: input, Now: time.Now()}
	if opts.Fetcher, err = a.indexFetcher(status); err != nil {
		return found, err
	}
	if opts.Files, err = a.inputFetcher(project, status); err != nil {
		return found, err
	}
	found, diags, err := ask(project, opts)
	status.clear()
	return found, cmp.Or(a.diagnose(diags, project.Files()), err)
}

// The following are what was found as JSON; docs/schemas/search.json and
// docs/schemas/search-file.json.
type (
	foundPackages struct {
		FormatVersion string         `json:"format_version"`
		Packages      []foundPackage `json:"packages"`
	}
	foundPackage struct {
		Input         string `json:"input"`
		Name          string `json:"name"`
		Version       string `json:"version"`
		Architecture  string `json:"architecture"`
		Suite         string `json:"suite"`
		Section       string `json:"section,omitempty"`
		Summary       string `json:"summary,omitempty"`
		Homepage      string `json:"homepage,omitempty"`
		Size          int64  `json:"size,omitempty"`
		InstalledSize int64  `json:"installed_size,omitempty"`
		NotAutomatic  bool   `json:"not_automatic,omitempty"`
	}
	foundFiles struct {
		FormatVersion string      `json:"format_version"`
		Files         []foundFile `json:"files"`
	}
	foundFile struct {
		Input    string   `json:"input"`
		Suite    string   `json:"suite"`
		Path     string   `json:"path"`
		Packages []string `json:"packages"`
	}
)

func foundPackagesOf(found []modules.FoundPackage) foundPackages {
	out := foundPackages{FormatVersion: "1.0", Packages: []foundPackage{}}
	for _, p := range found {
		out.Packages = append(out.Packages, foundPackage{
			p.Input, p.Name, p.Version, p.Architecture, p.Suite, p.Section, p.Summary, p.Homepage, p.Size, p.InstalledSize, p.NotAutomatic,
		})
	}
	return out
}

func foundFilesOf(found []modules.FoundFile) foundFiles {
	out := foundFiles{FormatVersion: "1.0", Files: []foundFile{}}
	for _, f := range found {
		out.Files = append(out.Files, foundFile{f.Input, f.Suite, f.Path, f.Packages})
	}
	return out
}
