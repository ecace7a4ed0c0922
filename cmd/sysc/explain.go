package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sysc/lang/diag"
	"sysc/modules"
	"sysc/modules/option"
)

func (a *app) explainCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "explain [OPTION]",
		Short: "Show an option's final value and where every definition of it stands",
		Long: `Shows the value that an option has in a system, every definition of it with its
place, priority, order and conditions, which ones count and why others do not, and
where each element of a list comes from. Of a group it lists the options with their
values, without an argument all options.`,
		Example: "  sysc explain packages\n  sysc explain 'file[\"/etc/motd\"].content'\n  sysc explain boot --system laptop\n  sysc explain hostname --json",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.explain(cmd.Context(), name, strings.Join(args, ""))
		},
	}
	cmd.Flags().StringVar(&name, "system", "", "the `NAME` of the system (default: the only one)")
	a.projectFlags(cmd)
	return cmd
}

// explain prints an option's value and every definition of it, as far as there
// are any also when something is wrong with them.
func (a *app) explain(ctx context.Context, system, path string) error {
	project, err := a.loadProject(ctx)
	if err != nil {
		return err
	}
	name, err := project.SystemAddress(system, hostname(), a.userName())
	if err != nil {
		return err
	}
	s, diags := project.Open(ctx, name)
	if err := a.diagnose(diags, project.Files()); err != nil {
		return err
	}
	e, diags := s.Explain(path)
	if e == nil {
		return a.diagnose(diags, project.Files())
	}
	if a.json {
		if err := a.printJSON(explanationOf(e)); err != nil {
			return err
		}
	} else {
		printExplanation(a.out, e)
	}
	return a.diagnose(diags, project.Files())
}

// The following are an explanation as JSON; docs/schemas/explain.json.
type (
	explanation struct {
		FormatVersion string                 `json:"format_version"`
		Path          string                 `json:"path"`
		Asked         string                 `json:"asked,omitempty"`
		Type          string                 `json:"type"`
		Description   string                 `json:"description,omitempty"`
		Deprecated    string                 `json:"deprecated,omitempty"`
		Value         json.RawMessage        `json:"value,omitempty"`
		Sensitive     bool                   `json:"sensitive,omitempty"`
		Failed        bool                   `json:"failed,omitempty"`
		Declared      []explainedPlace       `json:"declared"`
		Definitions   []explainedDefinition  `json:"definitions"`
		Pieces        []explainedPiece       `json:"pieces,omitempty"`
		Entries       []explainedOptionEntry `json:"entries,omitempty"`
	}
	explainedPlace struct {
		Module  string          `json:"module,omitempty"`
		Default bool            `json:"default,omitempty"`
		Range   *diag.JSONRange `json:"range,omitempty"`
	}
	explainedDefinition struct {
		explainedPlace
		Priority   int                  `json:"priority"`
		Order      int                  `json:"order"`
		Status     option.Status        `json:"status"`
		Reason     string               `json:"reason,omitempty"`
		Via        string               `json:"via,omitempty"`
		Conditions []explainedCondition `json:"conditions,omitempty"`
		Text       string               `json:"text"`
	}
	explainedCondition struct {
		Text  string          `json:"text"`
		Holds string          `json:"holds"`
		Range *diag.JSONRange `json:"range,omitempty"`
	}
	explainedPiece struct {
		Value     json.RawMessage  `json:"value,omitempty"`
		Sensitive bool             `json:"sensitive,omitempty"`
		From      []explainedPlace `json:"from"`
	}
	explainedOptionEntry struct {
		Path      string            `json:"path"`
		Type      string            `json:"type"`
		Value     json.RawMessage   `json:"value,omitempty"`
		Sensitive bool              `json:"sensitive,omitempty"`
		Failed    bool              `json:"failed,omitempty"`
		Keys      []string          `json:"keys,omitempty"`
		From      []*diag.JSONRange `json:"from,omitempty"`
	}
)

func explanationOf(e *modules.Explanation) explanation {
	out := explanation{
		FormatVersion: "1.0", Path: e.Path, Asked: e.Asked, Type: e.Type, Description: e.Description, Deprecated: e.Deprecated,
		Value: e.Value, Sensitive: e.Sensitive, Failed: e.Failed,
		Declared: []explainedPlace{}, Definitions: []explainedDefinition{},
	}
	for _, d := range e.Declared {
		out.Declared = append(out.Declared, explainedPlace{Module: d.Module, Range: rangeJSON(d.Range)})
	}
	for _, d := range e.Definitions {
		x := explainedDefinition{
			explainedPlace: explainedPlace{d.Module, d.Default, rangeJSON(d.Range)},
			Priority:       d.Priority, Order: d.Order, Status: d.Status, Reason: d.Reason, Via: d.Via, Text: d.Text,
		}
		for _, c := range d.Conditions {
			x.Conditions = append(x.Conditions, explainedCondition{c.Text, c.Holds, rangeJSON(c.Range)})
		}
		out.Definitions = append(out.Definitions, x)
	}
	for _, p := range e.Pieces {
		x := explainedPiece{Value: p.Value, Sensitive: p.Sensitive}
		for _, o := range p.From {
			x.From = append(x.From, explainedPlace{o.Module, o.Default, rangeJSON(o.Range)})
		}
		out.Pieces = append(out.Pieces, x)
	}
	for _, n := range e.Entries {
		x := explainedOptionEntry{Path: n.Path, Type: n.Type, Value: n.Value, Sensitive: n.Sensitive, Failed: n.Failed, Keys: n.Keys}
		for _, r := range n.From {
			x.From = append(x.From, rangeJSON(r))
		}
		out.Entries = append(out.Entries, x)
	}
	return out
}

func rangeJSON(r diag.Range) *diag.JSONRange {
	if r.IsZero() {
		return nil
	}
	j := diag.ToJSON(r)
	return &j
}

// printExplanation writes an explanation for people.
func printExplanation(w io.Writer, e *modules.Explanation) {
	fact := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "  %-12s %s\n", name, strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n               "))
		}
	}
	switch {
	case e.Sensitive:
		fmt.Fprintf(w, "%s = (sensitive)\n\n", e.Path)
	case e.Failed:
		fmt.Fprintf(w, "%s = (no value)\n\n", e.Path)
	case e.Value == nil:
		fmt.Fprintf(w, "%s\n\n", e.Path)
	default:
		fmt.Fprintf(w, "%s = %s\n\n", e.Path, e.Value)
	}
	fact("type", e.Type)
	fact("description", e.Description)
	fact("deprecated", e.Deprecated)
	if e.Asked != "" {
		fact("asked as", e.Asked)
	}
	for _, d := range e.Declared {
		fact("declared", placeText(d.Module, d.Range))
	}
	if e.Type != "group" {
		printDefinitions(w, e.Definitions)
	}
	printPieces(w, e.Pieces)
	printEntries(w, e.Entries)
}

func printDefinitions(w io.Writer, definitions []option.Definition) {
	if len(definitions) == 0 {
		fmt.Fprintf(w, "\nNothing defines it.\n")
		return
	}
	fmt.Fprintf(w, "\nDefinitions:\n")
	for _, d := range definitions {
		where := placeText(d.Module, d.Range)
		if d.Default {
			where += ", the option's default"
		}
		weight := fmt.Sprintf("priority %d", d.Priority)
		if d.Order != option.OrderPlain {
			weight += fmt.Sprintf(", order %d", d.Order)
		}
		fmt.Fprintf(w, "  %-15s  %s (%s)\n", d.Status, where, weight)
		line := func(text string) { fmt.Fprintf(w, "  %15s  %s\n", "", text) }
		line(strings.ReplaceAll(strings.TrimSpace(d.Text), "\n", "\n                   "))
		if d.Via != "" {
			line("by the old name " + d.Via)
		}
		for _, c := range d.Conditions {
			if c.Holds == "true" {
				line(fmt.Sprintf("when %s, which is true (%s)", c.Text, placeText("", c.Range)))
			}
		}
		if d.Reason != "" {
			line(d.Reason)
		}
	}
}

// placeText is "file:line", or the module where there is no place.
func placeText(module string, r diag.Range) string {
	switch {
	case !r.IsZero():
		return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line)
	case module == option.CoreModule:
		return "sysc itself"
	}
	return module
}

func printPieces(w io.Writer, pieces []modules.ExplainedPiece) {
	if len(pieces) == 0 {
		return
	}
	fmt.Fprintf(w, "\nIts parts:\n")
	for _, p := range pieces {
		entry := modules.ExplainedEntry{Value: p.Value, Sensitive: p.Sensitive}
		var from []string
		for _, o := range p.From {
			from = append(from, placeText(o.Module, o.Range))
		}
		fmt.Fprintf(w, "  %-30s  %s\n", entry.Summary(), strings.Join(slices.Compact(from), ", "))
	}
}

func printEntries(w io.Writer, entries []modules.ExplainedEntry) {
	if len(entries) == 0 {
		return
	}
	fmt.Fprintf(w, "\nIn it:\n")
	for _, e := range entries {
		text := e.Path + " = " + e.Summary()
		if e.Value == nil && !e.Failed && !e.Sensitive {
			text = fmt.Sprintf("%s (%s)", e.Path, e.Type)
			if len(e.Keys) > 0 {
				text += ": " + strings.Join(e.Keys, ", ")
			}
		}
		var from []string
		for _, r := range e.From {
			from = append(from, placeText("", r))
		}
		fmt.Fprintf(w, "  %s\n", strings.TrimRight(fmt.Sprintf("%-45s  %s", text, strings.Join(slices.Compact(from), ", ")), " "))
	}
}
