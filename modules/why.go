package modules

import (
	"context"
	"fmt"

	"sysc/lang/diag"
	"sysc/systems/distro/debian"
)

// A PackageReason says why a package is in roots of a definition.
type PackageReason struct {
	// Addresses are the roots that ask for the same packages, sorted: "system.laptop".
	Addresses []string
	// At is where the first of them names the package that the chain begins with; zero
	// unless that is asked for.
	At diag.Range
	debian.Reason
}

// Why tells why a package is in those roots of the definition that have it, of which
// targets are some, or nil for all. The indexes of the inputs are read as they were
// locked. The diagnostics are what is wrong with the definition, and that there is no
// such package; the error is as that of [Project.Lock].
func (p *Project) Why(ctx context.Context, name string, targets []string, opts SearchOptions) ([]PackageReason, diag.List, error) {
	w := p.newWork(p.lock, &pending{requests: map[string]rootRequest{}})
	_, diags := w.collect()
	if diags.HasErrors() {
		return nil, diags.Sort(), nil
	}
	addresses, more := w.rootsOf(targets)
	if diags = append(diags, more...); more.HasErrors() {
		return nil, diags.Sort(), nil
	}
	a := &asker{w: w, universes: newUniverses(opts.Fetcher, opts.Files, func(string) {}), seen: map[string]int{}}
	a.universes.earlier = true
	for _, address := range addresses {
		more, err := a.ask(ctx, w.pending.requests[address], name)
		diags = append(diags, more...)
		if err != nil {
			return nil, diags.Sort(), err
		}
	}
	if len(a.reasons) == 0 && !diags.HasErrors() {
		diags = append(diags, diag.Errorf(diag.Range{}, "No such package here", "%q is not in %s.%s Whether an input has it, sysc search says.",
			name, listed(addresses), diag.DidYouMean(name, a.names()))...)
	}
	return a.reasons, diags.Sort(), nil
}

// listed names some of many.
func listed(names []string) string {
	const most = 3
	text := ""
	for i, name := range names {
		switch {
		case i == most:
			return text + fmt.Sprintf(" and %d more", len(names)-most)
		case i > 0:
			text += ", "
		}
		text += name
	}
	return text
}

// rootsOf returns the addresses of the roots that targets have, sorted; all for none.
func (w *work) rootsOf(targets []string) ([]string, diag.List) {
	all := sortedKeys(w.pending.requests)
	if len(targets) == 0 {
		return all, nil
	}
	var diags diag.List
	chosen := map[string]bool{}
	for _, target := range targets {
		if _, ok := w.pending.requests[target]; !ok {
			diags = append(diags, diag.Errorf(diag.Range{}, "Unknown root", "%s takes no packages of an input, or is not there.%s", target, diag.DidYouMean(target, all))...)
		}
		chosen[target] = true
	}
	return sortedKeys(chosen), diags
}

// An asker asks one root after another about a package.
type asker struct {
	w         *work
	universes universes
	seen      map[string]int // index of a reason by request; -1 when there is none
	reasons   []PackageReason
	chosen    [][]debian.Package
}

func (a *asker) ask(ctx context.Context, r rootRequest, name string) (diag.List, error) {
	packages, diags := a.w.locked(r)
	if diags.HasErrors() {
		return diags, nil
	}
	inputs, _ := a.w.decoded(r)
	key := fmt.Sprintf("%#v", r.lockRequest(inputs, func(string) string { return "" }))
	if i, ok := a.seen[key]; ok {
		if i >= 0 {
			a.reasons[i].Addresses = append(a.reasons[i].Addresses, r.address)
		}
		return diags, nil
	}
	own, more, err := a.universes.ownFiles(ctx, &r)
	diags = append(diags, more...)
	if err != nil || more.HasErrors() {
		return diags, err
	}
	u, err := a.universes.of(ctx, a.w.lock, inputs, &r, own)
	if err != nil {
		return diags, err
	}
	a.chosen = append(a.chosen, packages)
	reason, ok := u.Why(r.wants(), packages, name)
	if !ok {
		a.seen[key] = -1
		return diags, nil
	}
	a.seen[key] = len(a.reasons)
	found := PackageReason{Addresses: []string{r.address}, Reason: reason}
	if reason.First == debian.AskedFor {
		first := reason.Name
		if len(reason.Chain) > 0 {
			first = reason.Chain[0].Package
		}
		found.At = r.placeOf(first)
	}
	a.reasons = append(a.reasons, found)
	return diags, nil
}

// names are those of all packages that were chosen.
func (a *asker) names() []string {
	seen := map[string]bool{}
	for _, packages := range a.chosen {
		for _, p := range packages {
			seen[p.Name] = true
		}
	}
	return sortedKeys(seen)
}
