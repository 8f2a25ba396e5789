/* evidence: the Python side. */

#include "binding.h"
#include "evidence.h"

static const char evidence_doc[] =
    "Evidence(*, carriers, mics, bins, bands, shape, hop_s)\n--\n\n"
    "What a classifier sees of an instant, whatever the number of carriers and microphones.\n\n"
    "Args:\n"
    "    carriers: 1 to 4.\n"
    "    mics: 1 to 8.\n"
    "    bins: 1 to 4096, of a spectrum.\n"
    "    bands: an even number up to 64 of pairs of a first bin and the one behind the last, mirror images in order.\n"
    "    shape: shape parameter of the gamma distribution of each band's power in one row's noise, 0.5 or more.\n"
    "    hop_s: time between spectra.\n\n"
    "Raises:\n"
    "    ValueError: an argument is out of range.\n"
    "    RuntimeError: a method was called while another thread is in one.";

static const char evidence_process_into_doc[] =
    "process_into($self, /, power_dbfs, carrier_dbfs, values)\n--\n\n"
    "Fill `values` float32 [values] from `power_dbfs` float32 [carriers, mics, bins] and `carrier_dbfs` float32\n"
    "[carriers, mics]. False, and nothing changed, where a power is no number.\n\n"
    "Raises:\n"
    "    TypeError: the type of a buffer is another one.\n"
    "    ValueError: its shape or memory layout is another one.";

/* Rows alone would do for the core; the Python side also keeps what they are. */
typedef struct {
    pp_evidence *evidence;
    Py_ssize_t carriers;
} evidence_core;

static void evidence_destroy(void *core)
{
    evidence_core *const both = core;
    pp_evidence_destroy(both->evidence);
    PyMem_Free(both);
}

static PyObject *evidence_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"carriers", "mics", "bins", "bands", "shape", "hop_s", NULL};
    int carriers = 0;
    int mics = 0;
    pp_evidence_spec spec = {0};
    PyObject *bands = NULL;
    PyObject *shape = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$iiiOOd:Evidence", names, &carriers, &mics, &spec.bands.bins, &bands,
                                     &shape, &spec.hop_s) ||
        !pp_rows_are_valid(carriers, mics) || !pp_take_bands(bands, shape, &spec.bands, spec.shape)) {
        return NULL;
    }
    spec.rows = carriers * mics;
    evidence_core *const core = PyMem_Malloc(sizeof(evidence_core));
    if (core == NULL) {
        return PyErr_NoMemory();
    }
    char reason[PP_REASON_BYTES];
    *core = (evidence_core){pp_evidence_create(&spec, reason), carriers};
    if (core->evidence == NULL) {
        PyMem_Free(core);
        return pp_wrap(type, NULL, evidence_destroy, reason);
    }
    return pp_wrap(type, core, evidence_destroy, reason);
}

static void evidence_dealloc(PyObject *self)
{
    pp_unwrap(self, evidence_destroy);
}

/* 1: done, 0: a power is no number, -1: with an exception. */
static int look(const evidence_core *core, PyObject *const *objects)
{
    const Py_ssize_t mics = (Py_ssize_t)pp_evidence_rows(core->evidence) / core->carriers;
    const Py_ssize_t bins = (Py_ssize_t)pp_evidence_bins(core->evidence);
    const Py_ssize_t values = (Py_ssize_t)pp_evidence_values(core->evidence);
    const pp_buffer_wish wishes[] = {
        {"power_dbfs", "float32", "f", 4, 4, 3, {core->carriers, mics, bins}, false},
        {"carrier_dbfs", "float32", "f", 4, 4, 2, {core->carriers, mics}, false},
        {"values", "float32", "f", 4, 4, 1, {values}, true},
    };
    Py_buffer views[3];
    if (!pp_take_all(objects, wishes, 3, views)) {
        return -1;
    }
    int known;
    Py_BEGIN_ALLOW_THREADS
    known = pp_evidence_execute(core->evidence, views[0].buf, views[1].buf, views[2].buf);
    Py_END_ALLOW_THREADS
    pp_release_all(views, 3);
    return known;
}

static PyObject *evidence_process_into(PyObject *self, PyObject *args)
{
    PyObject *objects[3] = {NULL};
    if (!PyArg_ParseTuple(args, "OOO:process_into", &objects[0], &objects[1], &objects[2]) || !pp_enter(self)) {
        return NULL;
    }
    const int known = look(pp_core(self), objects);
    pp_leave(self);
    return known < 0 ? NULL : PyBool_FromLong(known);
}

static PyObject *evidence_reset(PyObject *self, PyObject *none)
{
    (void)none;
    if (!pp_enter(self)) {
        return NULL;
    }
    const evidence_core *const core = pp_core(self);
    pp_evidence_reset(core->evidence);
    pp_leave(self);
    Py_RETURN_NONE;
}

static PyObject *evidence_values(PyObject *self, void *closure)
{
    (void)closure;
    const evidence_core *const core = pp_core(self);
    return PyLong_FromSize_t(pp_evidence_values(core->evidence));
}

static PyMethodDef evidence_methods[] = {
    {"process_into", evidence_process_into, METH_VARARGS, evidence_process_into_doc},
    {"reset", evidence_reset, METH_NOARGS, "reset($self, /)\n--\n\nForget the room."},
    {0},
};

static PyGetSetDef evidence_properties[] = {
    {"values", evidence_values, NULL, "Values an instant.", NULL},
    {0},
};

static PyType_Slot evidence_slots[] = {
    {Py_tp_new, evidence_new},         {Py_tp_dealloc, evidence_dealloc},
    {Py_tp_methods, evidence_methods}, {Py_tp_getset, evidence_properties},
    {Py_tp_doc, (void *)evidence_doc}, {0, NULL},
};

PyType_Spec pp_evidence_type = {
    .name = "appliance.dsp._core.Evidence",
    .basicsize = sizeof(pp_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = evidence_slots,
};
