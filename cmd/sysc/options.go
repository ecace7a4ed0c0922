package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sysc/lang/diag"
	"sysc/lang/syntax"
	"sysc/modules"
)

func (a *app) optionsCommand() *cobra.Command {
	var internal, homes bool
	cmd := &cobra.Command{
		Use:   "options [QUERY…]",
		Short: "Show what can be set in a system, or with --home in a home",
		Long: `Shows the options of sysc itself, of the standard modules, and of the definition:
type, default, example, description, and where they are declared. With a query it
shows those in whose name or description all its words occur. It needs no
definition.`,
		Example: "  sysc options\n  sysc options ssh\n  sysc options services.nginx.virtual_host\n  sysc options time zone --json\n  sysc options --home",
		Args:    usageArgs(cobra.ArbitraryArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.options(cmd.Context(), strings.Join(args, " "), internal, homes)
		},
	}
	cmd.Flags().BoolVar(&internal, "internal", false, "show options as well that are for modules alone")
	cmd.Flags().BoolVar(&homes, "home", false, "show the options of homes in place of those of systems")
	a.projectFlags(cmd)
	return cmd
}

// options prints the documentation of options.
func (a *app) options(ctx context.Context, query string, internal, homes bool) error {
	project, err := a.definitionOrNone(ctx)
	if err != nil {
		return err
	}
	docs, known := []modules.OptionDoc{}, project.Documentation
	if homes {
		known = project.HomeDocumentation
	}
	var all []string
	for _, d := range known() {
		if d.Internal && !internal {
			continue
		}
		all = append(all, d.Path)
		if d.Matches(query) {
			docs = append(docs, d)
		}
	}
	switch {
	case a.json:
		return a.printJSON(documentationOf(docs))
	case len(docs) == 0:
		return fmt.Errorf("no option has to do with %q.%s", query, diag.DidYouMean(query, all))
	}
	const mostInFull = 12
	if len(docs) > mostInFull {
		for _, d := range docs {
			fmt.Fprintf(a.out, "%-55s %s\n", d.Path, firstSentence(d.Description))
		}
		return nil
	}
	for i, d := range docs {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		printOption(a.out, &d)
	}
	return nil
}

// definitionOrNone loads the definition, or where there is no file of one what is
// there without.
func (a *app) definitionOrNone(ctx context.Context) (*modules.Project, error) {
	for _, ending := range []string{syntax.Extension, syntax.JSONExtension} {
		if found, err := filepath.Glob(filepath.Join(a.dir, "*"+ending)); len(found) > 0 && !errors.Is(err, fs.ErrNotExist) {
			return a.loadProject(ctx)
		}
	}
	return modules.Undefined(&modules.Options{Version: releaseVersion()}), nil
}

func firstSentence(text string) string {
	if i := strings.Index(text, ". "); i >= 0 {
		return text[:i+1]
	}
	return text
}

// printOption writes the documentation of one option.
func printOption(w io.Writer, d *modules.OptionDoc) {
	fact := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "  %-12s %s\n", name, strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n               "))
		}
	}
	fmt.Fprintln(w, d.Path)
	fact("", d.Description)
	if d.RenamedTo != "" {
		fact("renamed to", d.RenamedTo)
	}
	fact("type", d.Type)
	if len(d.Labels) > 0 {
		fact("labels", strings.Join(d.Labels, ", "))
	}
	fact("default", d.Default)
	if d.Required {
		fact("default", "none: it has to be set before anything reads it")
	}
	fact("example", d.Example)
	fact("deprecated", d.Deprecated)
	fact("removed", d.Removed)
	if d.ReadOnly {
		fact("read-only", "only the module that declares it may define it")
	}
	if d.Sensitive {
		fact("sensitive", "its value is not shown")
	}
	fact("declared by", d.Module())
}

// The following are options as JSON; docs/schemas/options.json.
type (
	optionList struct {
		FormatVersion string           `json:"format_version"`
		Options       []documentedItem `json:"options"`
	}
	documentedItem struct {
		Path        string           `json:"path"`
		Type        string           `json:"type,omitempty"`
		Labels      []string         `json:"labels,omitempty"`
		Description string           `json:"description,omitempty"`
		Default     string           `json:"default,omitempty"`
		Example     string           `json:"example,omitempty"`
		Required    bool             `json:"required,omitempty"`
		Deprecated  string           `json:"deprecated,omitempty"`
		Removed     string           `json:"removed,omitempty"`
		RenamedTo   string           `json:"renamed_to,omitempty"`
		Internal    bool             `json:"internal,omitempty"`
		ReadOnly    bool             `json:"read_only,omitempty"`
		Sensitive   bool             `json:"sensitive,omitempty"`
		Declared    []explainedPlace `json:"declared"`
	}
)

func documentationOf(docs []modules.OptionDoc) optionList {
	out := optionList{FormatVersion: "1.0", Options: []documentedItem{}}
	for _, d := range docs {
		x := documentedItem{
			Path: d.Path, Type: d.Type, Labels: d.Labels, Description: d.Description, Default: d.Default, Example: d.Example,
			Required: d.Required, Deprecated: d.Deprecated, Removed: d.Removed, RenamedTo: d.RenamedTo,
			Internal: d.Internal, ReadOnly: d.ReadOnly, Sensitive: d.Sensitive,
		}
		for _, by := range d.Declared {
			x.Declared = append(x.Declared, explainedPlace{Module: by.Module, Range: rangeJSON(by.Range)})
		}
		out.Options = append(out.Options, x)
	}
	return out
}
