// Reads a Compose file as Compose itself does, held against Compose's own schema, and prints what it means as JSON:
// anchors and merges resolved, `$$` undone. tests/tests/compose.rs runs that.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: compose FILE")
		os.Exit(2)
	}
	options, err := cli.NewProjectOptions(os.Args[1:], cli.WithName("chartseal"))
	if err == nil {
		project, failed := options.LoadProject(context.Background())
		err = failed
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(project)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
