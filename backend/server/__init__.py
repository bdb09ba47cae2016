"""The local HTTP server: takes shots, hands them to workers, gives takes back. No torch here.

    guard       what is asked of every request, whatever its route
    schema      the JSON that routes answer with
    routes      the routes
    feed        wakes those who follow a job when something happens to it
    lane        one device: its worker process and the job it works on
    leases      who is attached; the server ends after the last one has gone
    app         puts them together and serves on 127.0.0.1

Routes and their JSON are in `/v1/openapi.json`.
"""
