// Command ringback is the one binary: the daemon, its sandbox EHR, and the
// commands with which operators look after both. Each subcommand has a file of
// its own. This is the only place where the parts of Ringback are put together;
// what a part does belongs to the part.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // zones also where the machine or the container has none

	"github.com/spf13/cobra"
)

// Exit codes, the same for every command.
const (
	exitDone  = 0
	exitFound = 1 // it ran and found something wrong
	exitUsage = 2 // the call or the configuration is wrong; nothing was done
)

// foundError says that a command ran and found something wrong. What it found
// was printed already, or stands in err.
type foundError struct{ err error }

func (e foundError) Error() string { return e.err.Error() }
func (e foundError) Unwrap() error { return e.err }

func found(format string, args ...any) error { return foundError{fmt.Errorf(format, args...)} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	var f foundError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &f):
		fmt.Fprintln(errOut, "ringback:", f.Error())
		return exitFound
	default:
		fmt.Fprintln(errOut, "ringback:", err)
		return exitUsage
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "ringback",
		Short: "Ringback turns missed calls into callbacks and keeps them in step with the clinic's EHR",
		Long: `Ringback turns missed calls, voicemails and web forms into callbacks in a ledger,
keeps a matching work item in the inbox of the clinic's EHR, and closes each
callback once its visit is booked.

Try it:            ringback demo
Run it:            ringback migrate, ringback doctor, ringback serve
Look after it:     ringback callbacks list, ringback links list

Exit codes: 0 done; 1 it ran and found something wrong; 2 the call or the
configuration is wrong and nothing was done.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringP("config", "c", "ringback.yaml", "the configuration `FILE`")
	root.AddCommand(newDemo(), newServe(), newSandbox(), newSimulate(), newCheck(), newDoctor(), newMigrate(), newImport(), newAudit(),
		newCallbacks(), newCalls(), newProof(), newLinks(), newTokens(), newKeys(), newReady(), newVersion())
	return root
}
