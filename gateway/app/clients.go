package app

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/delivery"
)

func clientsCommand(f *flags) *cobra.Command {
	var api apiFlags
	asJSON, limit, search, after := false, 100, "", ""
	cmd := &cobra.Command{
		Use:   "clients SINK",
		Short: "List the clients of a sink of a running gateway, or disconnect one",
		Long: `Lists the clients that are connected to a sink, such as one of the type websocket, in the order in
which they have connected.` + helpAPI,
		Example: `  gateway clients browsers
  gateway clients browsers --search 10.1.2.3 --json | jq '.clients[].id'
  gateway clients disconnect browsers 17 --reason "too many requests"`,
		Args: cobra.ExactArgs(1),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			q := url.Values{"limit": {fmt.Sprint(limit)}, "search": {search}, "after": {after}}
			return printAnswer(cmd, &api, f, sinkPath(args[0], "clients")+"?"+q.Encode(), asJSON, printClients)
		}),
	}
	api.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the answer of /api/components/sink/SINK/clients")
	cmd.Flags().IntVar(&limit, "limit", limit, "list at most this number of `clients`, up to 500")
	cmd.Flags().StringVar(&search, "search", "", "list only clients whose address, subject or user agent contains this `text`")
	cmd.Flags().StringVar(&after, "after", "", "list those that connected after the client with this `ID`")
	cmd.AddCommand(clientsDisconnect(f))
	return cmd
}

func clientsDisconnect(f *flags) *cobra.Command {
	var api apiFlags
	reason, reconnect := "", false
	cmd := &cobra.Command{
		Use:   "disconnect SINK ID",
		Short: "Disconnect a client, and send it the reason",
		Args:  cobra.ExactArgs(2),
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			c, err := api.client(f)
			if err != nil {
				return err
			}
			q := url.Values{"reconnect": {fmt.Sprint(reconnect)}}
			if reason != "" {
				q.Set("reason", reason)
			}
			_, _, err = c.do(cmd.Context(), http.MethodPost, sinkPath(args[0], "clients", args[1], "disconnect")+"?"+q.Encode(), nil, http.StatusNoContent)
			return err
		}),
	}
	api.add(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "`text` that the client gets")
	cmd.Flags().BoolVar(&reconnect, "reconnect", false, "the client may connect again by itself")
	return cmd
}

// printClients prints a table of clients.
func printClients(w io.Writer, list delivery.ClientList) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "ID\tADDRESS\tSUBJECT\tCONNECTED\tLAG\tSENT BYTES\tSUBSCRIPTIONS\tPROTOCOL\tUSER AGENT\n")
	for _, c := range list.Clients {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%.60s\n", oneLine(c.ID), oneLine(c.Address), oneLine(c.Subject), roundDuration(list.Now.Sub(c.Since)), c.LagEvents, c.SentBytes, c.Count, oneLine(c.Protocol), oneLine(c.UserAgent))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	more := ""
	if list.Next != "" {
		more = fmt.Sprintf("; --after %s lists the next ones", oneLine(list.Next))
	}
	_, err := fmt.Fprintf(w, "%d of %d clients%s\n", len(list.Clients), list.Total, more)
	return err
}
