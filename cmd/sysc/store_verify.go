package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sysc/internal/bytesize"
	"sysc/store/localstore"
)

func (a *app) storeVerifyCommand() *cobra.Command {
	var repair bool
	var from []string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read everything again and name what is damaged (exit code 5)",
		Long: `Read everything again and name what is damaged (exit code 5).

With --repair, mend what can be mended: from what the store has itself, and from
the stores that --from names. What is lost is not valid any more; the next build
that needs it makes it again. A damaged database is made anew from what is on disk.`,
		Example: "  sysc store verify\n  sysc store verify --repair --from /mnt/backup/sysc",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(from) > 0 && !repair {
				return errors.New("--from is of use with --repair only")
			}
			if repair {
				return a.storeRepair(cmd.Context(), from)
			}
			return a.withExisting(cmd.Context(), func(st *localstore.Store) error { return a.storeVerify(cmd.Context(), st) })
		},
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "mend what can be mended")
	cmd.Flags().StringArrayVar(&from, "from", nil, "take what is missing from the store in `DIR`, too (may be repeated)")
	return cmd
}

// A problemList collects what is wrong with a store, as lines for people.
type problemList []string

func (l *problemList) add(p localstore.Problem) { *l = append(*l, printable(p.String())) }

func (a *app) storeVerify(ctx context.Context, st *localstore.Store) error {
	problems := problemList{}
	m := a.newStoreMeter()
	result, err := st.Verify(ctx, problems.add)
	m.end()
	if err != nil {
		return err
	}
	if a.json {
		err := a.printJSON(struct {
			localstore.VerifyResult
			Damaged []string `json:"damaged"`
		}{result, problems})
		if err != nil {
			return err
		}
	} else {
		for _, p := range problems {
			fmt.Fprintln(a.out, p)
		}
		a.say("Read %s: %s, %s, %s.", bytesize.Format(result.Bytes), plural(result.Objects, "object"),
			plural(result.Trees, "tree"), plural(result.Blobs, "blob"))
	}
	if len(problems) > 0 {
		return &exitCode{code: exitVerification, cause: fmt.Errorf("%s found in the store: see sysc store verify --repair", plural(len(problems), "problem"))}
	}
	return nil
}

func (a *app) storeRepair(ctx context.Context, from []string) (err error) {
	st, err := a.openDamaged(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	var others []*localstore.Store
	for _, dir := range from {
		other, err := localstore.Open(ctx, dir, a.existingOptions())
		if err != nil {
			return err
		}
		defer other.Close()
		others = append(others, other)
	}
	problems := problemList{}
	m := a.newStoreMeter()
	result, err := st.Repair(ctx, others, problems.add)
	m.end()
	if err != nil {
		return err
	}
	if err := a.printRepair(result, problems); err != nil {
		return err
	}
	if result.Left > 0 {
		return &exitCode{code: exitVerification, cause: fmt.Errorf("%s left in the store", plural(result.Left, "problem"))}
	}
	return nil
}

func (a *app) printRepair(result localstore.RepairResult, problems problemList) error {
	if a.json {
		result.Lost = list(result.Lost)
		return a.printJSON(struct {
			localstore.RepairResult
			Damaged []string `json:"damaged"`
		}{result, problems})
	}
	for _, p := range problems {
		fmt.Fprintln(a.out, p)
	}
	for _, p := range result.Lost {
		fmt.Fprintf(a.out, "%s: not valid any more; the next build that needs it makes it again\n", p)
	}
	a.say("Found %s, fetched %s, %d left.", plural(result.Found, "problem"), plural(result.Fetched, "file"), result.Left)
	return nil
}

// openDamaged opens the store, with a new database if it has to be.
func (a *app) openDamaged(ctx context.Context) (*localstore.Store, error) {
	st, err := a.openExisting(ctx)
	if err == nil {
		m := a.newStoreMeter()
		err = st.CheckDatabase(ctx)
		m.end()
		if err == nil {
			return st, nil
		}
		err = errors.Join(err, st.Close())
	}
	if !errors.Is(err, localstore.ErrDamaged) {
		return nil, err
	}
	a.say("%v.", err)
	dir, err := a.storePath()
	if err != nil {
		return nil, err
	}
	m := a.newStoreMeter()
	result, err := localstore.Rebuild(ctx, dir, a.storeOptions())
	m.end()
	if err != nil {
		return nil, err
	}
	a.say("Made the database anew from what is on disk: %s, %s.", plural(result.Objects, "object"), plural(result.Realisations, "realisation"))
	for _, p := range result.Left {
		a.say("Left out %s", p)
	}
	return a.openExisting(ctx)
}
