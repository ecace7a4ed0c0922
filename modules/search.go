package modules

import (
	"context"
	"fmt"
	"time"

	"sysc/lang/diag"
	"sysc/systems/distro/debian"
)

// SearchOptions say where packages are looked for.
type SearchOptions struct {
	// Fetcher returns what gets an input's files. It must be given.
	Fetcher func(debian.Settings) debian.Fetcher
	// Files opens package files of the definition's own that are fetched. Why needs it.
	Files OwnFileOpener
	// Input is the name of the only input to look in; "" means all of them.
	Input string
	// Now is the time at which signatures have to be valid. FindFiles needs it.
	Now time.Time
}

// A FoundPackage is a package of an input.
type FoundPackage struct {
	// Input is the input's name, as in "debian" or "module.web.debian".
	Input string
	debian.Found
}

// A FoundFile is a file of packages of an input.
type FoundFile struct {
	Input string
	debian.FoundFile
}

// Search finds the packages of the locked inputs that have all words in their name or
// summary, input by input, see [debian.Search]. The diagnostics are what is wrong with
// the definition; the error is as that of [Project.Lock].
func (p *Project) Search(ctx context.Context, words []string, opts SearchOptions) ([]FoundPackage, diag.List, error) {
	var found []FoundPackage
	diags, err := p.searched(opts, func(w *work, in *input, arch string) (diag.List, error) {
		if diags := checkInput(w.lock, in.name, in.digest, in.at); diags.HasErrors() {
			return diags, nil
		}
		list, err := debian.Search(ctx, w.lock.Inputs[in.name].Revision, arch, opts.Fetcher(in.settings), in.part(), words)
		for _, f := range list {
			found = append(found, FoundPackage{in.name, f})
		}
		return nil, err
	})
	return found, diags, err
}

// FindFiles finds the packages that have a file, see [debian.FindFiles]: in what the
// archives of the inputs have now.
func (p *Project) FindFiles(ctx context.Context, pattern string, opts SearchOptions) ([]FoundFile, diag.List, error) {
	var found []FoundFile
	diags, err := p.searched(opts, func(_ *work, in *input, arch string) (diag.List, error) {
		settings := in.settings
		settings.Architecture = arch
		list, err := debian.FindFiles(ctx, debian.Archives(settings), opts.Fetcher(in.settings), opts.Now, pattern)
		for _, f := range list {
			found = append(found, FoundFile{in.name, f})
		}
		return nil, err
	})
	return found, diags, err
}

// searched calls search for each input and the architecture whose packages count: that
// of the first system, or of builds.
func (p *Project) searched(opts SearchOptions, search func(w *work, in *input, arch string) (diag.List, error)) (diag.List, error) {
	w := p.work
	architectures, diags := w.architectures()
	if diags.HasErrors() {
		return diags.Sort(), nil
	}
	var names []string
	searched := 0
	for _, m := range w.modules() {
		for _, label := range labels(m.Definition.Inputs) {
			name := inputName(m, label)
			names = append(names, name)
			if opts.Input != "" && opts.Input != name {
				continue
			}
			if opts.Input == "" && w.isFetched(m, label) {
				continue
			}
			searched++
			in, more := w.input(m, label, diag.Range{})
			diags = append(diags, more...)
			if in == nil {
				continue
			}
			more, err := search(w, in, architectures[0])
			diags = append(diags, more...)
			if err != nil {
				return diags.Sort(), fmt.Errorf("search input %q (%s): %w", name, position(in.at), err)
			}
		}
	}
	switch {
	case searched == 0 && opts.Input != "":
		diags = append(diags, diag.Errorf(diag.Range{}, "Unknown input", "There is no input %q.%s", opts.Input, diag.DidYouMean(opts.Input, names))...)
	case searched == 0:
		diags = append(diags, diag.Errorf(diag.Range{}, "Nothing to search", "The definition has no inputs that packages are from.")...)
	}
	return diags.Sort(), nil
}
