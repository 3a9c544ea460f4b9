module switchboard/clients/go

go 1.19
