package main

import (
	"context"
	"encoding/json"
	"fmt"

	"sysc/modules/option"
)

// An explainedDefinition is one definition of an option as JSON.
type explainedDefinition struct {
	Position string        `json:"position,omitempty"`
	Priority int           `json:"priority"`
	Order    int           `json:"order"`
	Default  bool          `json:"default,omitempty"`
	Status   option.Status `json:"status"`
	Text     string        `json:"text"`
}

// explain prints an option's value and every definition of it.
func (a *app) explain(ctx context.Context, system, path string) error {
	project, err := a.loadProject(ctx)
	if err != nil {
		return err
	}
	name, err := systemName(project, system)
	if err != nil {
		return err
	}
	s, diags := project.Open(ctx, name)
	if err := a.diagnose(diags, project.Files()); err != nil {
		return err
	}
	e, diags := s.Explain(path)
	if err := a.diagnose(diags, project.Files()); err != nil {
		return err
	}
	definitions := make([]explainedDefinition, len(e.Definitions))
	for i, d := range e.Definitions {
		definitions[i] = explainedDefinition{Priority: d.Priority, Order: d.Order, Default: d.Default, Status: d.Status, Text: d.Text}
		if !d.Range.IsZero() {
			definitions[i].Position = d.Range.String()
		}
	}
	if a.json {
		return a.printJSON(struct {
			Path        string                `json:"path"`
			Type        string                `json:"type"`
			Description string                `json:"description,omitempty"`
			Value       json.RawMessage       `json:"value,omitempty"`
			Sensitive   bool                  `json:"sensitive,omitempty"`
			Definitions []explainedDefinition `json:"definitions"`
		}{e.Path, e.Type, e.Description, e.Value, e.Sensitive, definitions})
	}
	value := string(e.Value)
	switch {
	case e.Sensitive:
		value = "(sensitive)"
	case value == "":
		value = "(known after the build)"
	}
	fmt.Fprintf(a.out, "%s = %s\n\n  type         %s\n", e.Path, value, e.Type)
	if e.Description != "" {
		fmt.Fprintf(a.out, "  description  %s\n", e.Description)
	}
	for _, d := range definitions {
		where := d.Position
		if d.Default {
			where = "the option's default"
		}
		fmt.Fprintf(a.out, "  %-11s  %s  (priority %d)\n                 %s\n", d.Status, where, d.Priority, d.Text)
	}
	return nil
}
