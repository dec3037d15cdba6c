// The check of njs.conf.

function check(r) {
    if (!r.headersIn.Authorization) {
        r.return(401);
        return;
    }

    r.subrequest('/_api', function(response) {
        if (response.status == 401 || response.status == 404) {
            r.return(401);
            return;
        }

        if (response.status != 200) {
            r.return(503);
            return;
        }

        let facts;

        try {
            facts = JSON.parse(response.responseText);
        } catch (e) {
            r.return(503);
            return;
        }

        let good = facts.id === r.variables.token_id
                   && facts.status === 'Active';

        r.return(good ? 204 : 401);
    });
}


export default { check };
