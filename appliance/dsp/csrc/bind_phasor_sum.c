/* phasor_sum: the Python side. */

#include "binding.h"
#include "phasor_sum.h"

static const char phasor_sum_doc[] =
    "PhasorSum(*, mics, segment_samples)\n--\n\n"
    "Many smoothly turning phasors, summed for each microphone:\n"
    "y[m](t) += sum over p of gain[p, m](t) exp(j 2 pi phase[p, m](t)).\n\n"
    "Args:\n"
    "    mics: 1 to 8.\n"
    "    segment_samples: samples from one point to the next, 1 to 512.\n\n"
    "Raises:\n"
    "    ValueError: an argument is out of range.\n"
    "    RuntimeError: a method was called while another thread is in one.";

static const char phasor_sum_process_into_doc[] =
    "process_into($self, /, way, turns_per_way, gain, chosen, out)\n--\n\n"
    "Add the sum to `out` complex64 [mics, segments * segment_samples].\n\n"
    "The phase is `turns_per_way` times `way`; paths whose entry in `chosen` uint8 [paths] is 0 are left out.\n"
    "`way` float64 and `gain` float32 [segments + 1 + 2 * PHASOR_MARGIN, paths, mics] stand at equally\n"
    "spaced instants; the first sample stands at point PHASOR_MARGIN. Phases are cubics and gains straight lines\n"
    "between points. All C-contiguous. A path whose gain is 0 costs nothing.\n\n"
    "Raises:\n"
    "    TypeError: the type of a buffer is another one.\n"
    "    ValueError: a shape or memory layout is another one.";

static void phasor_sum_destroy(void *core)
{
    pp_phasor_sum_destroy(core);
}

static PyObject *phasor_sum_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"mics", "segment_samples", NULL};
    pp_phasor_sum_spec spec = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$ii:PhasorSum", names, &spec.mics, &spec.segment_samples)) {
        return NULL;
    }
    char reason[PP_REASON_BYTES];
    return pp_wrap(type, pp_phasor_sum_create(&spec, reason), phasor_sum_destroy, reason);
}

static void phasor_sum_dealloc(PyObject *self)
{
    pp_unwrap(self, phasor_sum_destroy);
}

/* `views`: way, gain, chosen, out; the first `*taken` of them are to be released. */
static bool take_phasors(pp_phasor_sum *core, PyObject *const objects[4], Py_buffer views[4], int *taken)
{
    const Py_ssize_t mics = (Py_ssize_t)pp_phasor_sum_mics(core);
    const Py_ssize_t samples = (Py_ssize_t)pp_phasor_sum_segment_samples(core);
    pp_buffer_wish wishes[4] = {
        {"way", "float64", "d", 8, 8, 3, {PP_ANY, PP_ANY, mics}, false},
        {"gain", "float32", "f", 4, 4, 3, {PP_ANY, PP_ANY, mics}, false},
        {"chosen", "uint8", "B", 1, 1, 1, {PP_ANY}, false},
        {"out", "complex64", "Zf", 8, 4, 2, {mics, PP_ANY}, true},
    };
    for (*taken = 0; *taken < 4; (*taken)++) {
        if (!pp_take(objects[*taken], &wishes[*taken], &views[*taken])) {
            return false;
        }
        if (*taken == 0) {
            const Py_ssize_t segments = views[0].shape[0] - 1 - 2 * PP_PHASOR_MARGIN;
            if (segments < 1) {
                PyErr_Format(PyExc_ValueError, "way: wanted at least %d points, got %zd",
                             2 + 2 * PP_PHASOR_MARGIN, views[0].shape[0]);
                (*taken)++;
                return false;
            }
            wishes[1].shape[0] = views[0].shape[0];
            wishes[1].shape[1] = views[0].shape[1];
            wishes[2].shape[0] = views[0].shape[1];
            wishes[3].shape[1] = segments * samples;
        }
    }
    return true;
}

static PyObject *phasor_sum_process_into(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"way", "turns_per_way", "gain", "chosen", "out", NULL};
    PyObject *objects[4] = {NULL};
    double turns_per_way = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OdOOO:process_into", names, &objects[0], &turns_per_way, &objects[1],
                                     &objects[2], &objects[3]) ||
        !pp_enter(self)) {
        return NULL;
    }
    pp_phasor_sum *const core = pp_core(self);
    Py_buffer views[4] = {0};
    int taken = 0;
    const bool accepted = take_phasors(core, objects, views, &taken);
    if (accepted) {
        const size_t segments = (size_t)(views[0].shape[0] - 1 - 2 * PP_PHASOR_MARGIN);
        Py_BEGIN_ALLOW_THREADS
        pp_phasor_sum_execute(core, views[0].buf, turns_per_way, views[1].buf, views[2].buf, segments,
                              (size_t)views[0].shape[1], views[3].buf);
        Py_END_ALLOW_THREADS
    }
    while (taken > 0) {
        PyBuffer_Release(&views[--taken]);
    }
    pp_leave(self);
    if (!accepted) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef phasor_sum_methods[] = {
    {"process_into", (PyCFunction)(void (*)(void))phasor_sum_process_into, METH_VARARGS | METH_KEYWORDS,
     phasor_sum_process_into_doc},
    {0},
};

static PyType_Slot phasor_sum_slots[] = {
    {Py_tp_new, phasor_sum_new},         {Py_tp_dealloc, phasor_sum_dealloc},
    {Py_tp_methods, phasor_sum_methods}, {Py_tp_doc, (void *)phasor_sum_doc},
    {0, NULL},
};

PyType_Spec pp_phasor_sum_type = {
    .name = "appliance.dsp._core.PhasorSum",
    .basicsize = sizeof(pp_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = phasor_sum_slots,
};
