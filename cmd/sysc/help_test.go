package main

import (
	"testing"

	"github.com/spf13/cobra"
)

// TestHelpOfVerbs: each verb stands in a group, and says by an example how it is used.
func TestHelpOfVerbs(t *testing.T) {
	root := (&app{}).command()
	for _, verb := range root.Commands() {
		if verb.GroupID == "" {
			t.Errorf("%s is in no group", verb.CommandPath())
		}
	}
	var walk func(*cobra.Command)
	walk = func(verb *cobra.Command) {
		if verb.Short == "" {
			t.Errorf("%s does not say what it does", verb.CommandPath())
		}
		if verb.Runnable() && verb.Example == "" {
			t.Errorf("%s has no example", verb.CommandPath())
		}
		for _, sub := range verb.Commands() {
			walk(sub)
		}
	}
	for _, verb := range root.Commands() {
		walk(verb)
	}
}
