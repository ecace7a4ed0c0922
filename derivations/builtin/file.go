package builtin

import (
	"context"
	"fmt"
	"strings"
)

type fileAttrs struct {
	// Content is the file's text.
	Content *string `json:"content"`
	// Source is the logical path of a file to copy.
	Source     string `json:"source"`
	Executable bool   `json:"executable"`
}

// file makes a file object of a text, or of a file in another object. Its
// attributes are fileAttrs.
func file(ctx context.Context, s *Step) error {
	var attrs fileAttrs
	if err := s.Attrs(&attrs); err != nil {
		return err
	}
	if (attrs.Content == nil) == (attrs.Source == "") {
		return fmt.Errorf("file %q: want one of content and source", s.Derivation.Name)
	}
	output := s.Derivation.OutputNames()[0]
	if attrs.Content != nil {
		blob, size, err := s.Store.AddFile(ctx, strings.NewReader(*attrs.Content), attrs.Executable)
		if err != nil {
			return err
		}
		refs := References(*attrs.Content, s.Derivation.Sources)
		return s.SetFile(ctx, output, blob, size, attrs.Executable, refs)
	}
	o, _, err := s.Object(ctx, attrs.Source)
	if err != nil {
		return err
	}
	e, err := s.File(ctx, attrs.Source)
	if err != nil {
		return err
	}
	return s.SetFile(ctx, output, e.Digest, e.Size, attrs.Executable, objectReferences(o))
}
