/** The REST calls of the pages to the server they come from, as nobody in particular. */
import { RestClient } from "@switchboard/client/rest";

export const api = new RestClient();
